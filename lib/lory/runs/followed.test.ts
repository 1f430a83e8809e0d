import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, expect, vi } from "vitest";
import { watch } from "../notebook";
import { readEvents } from "../train/event-file";
import { EVENT_FILE } from "../train/event-log";
import { metricsLine } from "../train/metrics";
import { it } from "../train/testing/run-test";
import { openRun } from "../train";
import { followRun } from "./followed";
import { LineTail } from "./line-tail";
import { compareRuns, runs } from "./runs-table";
import { writeTensorBoard } from "./tensorboard";

afterEach(() => void vi.restoreAllMocks());

it("lines are read as they come, whole, and anew after a file was cut", async ({ options }) => {
  await fs.mkdir(options.runsDir!, { recursive: true });
  const file = path.join(options.runsDir!, "lines");
  const tail = new LineTail(file);
  expect(await tail.next()).toEqual([]);
  await fs.writeFile(file, "a\nbé".slice(0, 4));
  expect(await tail.next()).toEqual(["a"]);
  await fs.appendFile(file, "c\nd\n");
  expect(await tail.next()).toEqual(["béc", "d"]);
  expect(await tail.next()).toEqual([]);
  await fs.writeFile(file, "e\n");
  expect(await tail.next()).toEqual(["e"]);
});

it("a run that another process trains is followed until it is done, each step once", async ({ options, whole }) => {
  const dir = path.join(options.runsDir!, whole.id);
  await fs.mkdir(dir, { recursive: true });
  for (const name of ["config.json", "env.json"]) await fs.copyFile(path.join(whole.dir, name), path.join(dir, name));
  // As a training in this process holds it.
  const stat = await fs.readFile(`/proc/${process.pid}/stat`, "utf8").catch(() => "");
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  const lock = { pid: process.pid, host: os.hostname(), started, nonce: "n" };
  await fs.writeFile(path.join(dir, "run.lock"), JSON.stringify(lock));
  const file = path.join(dir, "metrics.jsonl");
  const lines = whole.metrics.map(metricsLine);
  await fs.writeFile(file, lines.slice(0, 5).join(""));
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  const followed = await followRun(whole.id, { runsDir: options.runsDir, everyMs: 1 });
  const seen: number[] = [];
  for await (const { step } of followed.follow()) {
    seen.push(step);
    // It goes back to its last checkpoint, and on to its end.
    if (step === 5) await fs.writeFile(file, lines.slice(0, 3).join(""));
    if (step === 5) void fs.writeFile(file, lines.join(""));
    if (step === 12) await fs.copyFile(path.join(whole.dir, "summary.json"), path.join(dir, "summary.json"));
  }
  expect(seen).toEqual(whole.metrics.map(({ step }) => step));
  const [curve] = await watch({ elsewhere: followed });
  expect(curve.metrics).toEqual(whole.metrics);
});

it("a run that nobody trains is shown as it was left", async ({ config, options }) => {
  const run = await openRun(config, options);
  for await (const { step } of run.train()) if (step === 4) break;
  const followed = await followRun(run.dir);
  const seen: number[] = [];
  for await (const { step } of followed.follow()) seen.push(step);
  expect(seen).toEqual(run.metrics.map(({ step }) => step));
  await expect(followRun("none", options)).rejects.toThrow(/holds no run/);
});

it("all runs are a data frame, and two of them can be compared key by key", async ({ config, options }) => {
  const first = await openRun(config, options);
  for await (const step of first.train()) void step;
  const other = await openRun({ ...config, seed: 4, model: { ...config.model, numExperts: 0 } }, options);
  for await (const { step } of other.train()) if (step === 4) break;
  await fs.mkdir(path.join(options.runsDir!, "something-else"));
  const frame = await runs(options.runsDir);
  const column = (name: string): unknown[] => frame.column(name).values;
  const rows = column("run").map((run, i) => [
    run,
    column("status")[i],
    column("model.numExperts")[i],
    column("seed")[i],
  ]);
  expect(rows.sort()).toEqual([[first.id, "done", 2, 3], [other.id, "stopped", 0, 4]].sort()); // prettier-ignore
  expect(column("lossNats")).toContain(first.summary!.lossNats);
  expect(column("last.lossNats")).toContain(other.metrics.at(-1)!.lossNats);
  expect(compareRuns(first, other, ["a", "b"]).csv).toBe("key,a,b\nmodel.num_experts,2,0\nseed,3,4\n");
  await expect(runs(path.join(options.runsDir!, "something-else"))).rejects.toThrow(/there is no run in/);
});

it("event files have what runs recorded, and what is added while they are followed", async ({ options, whole }) => {
  const runsDir = path.dirname(whole.dir);
  const logDir = path.join(options.runsDir!, "events");
  const control = new AbortController();
  control.abort();
  const written = await writeTensorBoard({ runsDir, logDir, followEveryMs: 1, signal: control.signal });
  expect(written).toEqual({ logDir, runs: [whole.id] });
  expect(await fs.readdir(path.join(logDir, whole.id))).toEqual([EVENT_FILE]);
  const bytes = await fs.readFile(path.join(logDir, whole.id, EVENT_FILE));
  expect(readEvents(bytes).events).toHaveLength(1 + whole.metrics.length);
  expect(bytes.equals(await fs.readFile(path.join(whole.dir, EVENT_FILE)))).toBe(true);
  await writeTensorBoard({ runsDir, logDir });
  expect((await fs.readFile(path.join(logDir, whole.id, EVENT_FILE))).equals(bytes)).toBe(true);
  await expect(writeTensorBoard({ runsDir, logDir: runsDir })).rejects.toThrow("where the runs lie");
  const text = bytes.toString("latin1");
  for (const name of ["train/CE loss", "routing/utilization", "routing/mean entropy/01"]) expect(text).toContain(name);
});
