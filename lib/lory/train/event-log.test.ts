import fs from "node:fs/promises";
import path from "node:path";
import { expect } from "vitest";
import { readEvents, type Event } from "./event-file";
import { EVENT_FILE } from "./event-log";
import { openRun, type Run } from "./run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

async function eventsOf(run: Run): Promise<Event[]> {
  const bytes = await fs.readFile(path.join(run.dir, EVENT_FILE));
  const { events, sizeBytes } = readEvents(bytes);
  expect(sizeBytes).toBe(bytes.length);
  return events;
}

/** The steps whose numbers count, in the order in which TensorBoard has them. */
function countedSteps(events: readonly Event[], kind: "train" | "eval"): number[] {
  return events.reduce<number[]>((steps, { step, tag, isRestart }) => {
    if (isRestart) return steps.filter((each) => each < step);
    return tag !== undefined && tag.startsWith("eval/") === (kind === "eval") ? [...steps, step] : steps;
  }, []);
}

const TWELVE = Array.from({ length: 12 }, (_, i) => i + 1);

it("has every step and evaluation once, also of a run that stopped, and lost what it lacks", async ({
  config,
  options,
}) => {
  const evaluated = { ...config, evaluation: { everyTokens: 48, windows: 2 } };
  const whole = await openRun(evaluated, options);
  await trainUntil(whole, 4);
  const file = path.join(whole.dir, EVENT_FILE);
  const begun = await fs.readFile(file);
  expect((await eventsOf(whole)).some(({ isRestart }) => isRestart)).toBe(false);
  // A power failure took the end of the file.
  await fs.truncate(file, Math.floor(begun.length / 2));
  await trainUntil(whole);
  const events = await eventsOf(whole);
  expect((await fs.readFile(file)).subarray(0, begun.length).equals(begun)).toBe(true);
  expect(events.some(({ isRestart }) => isRestart)).toBe(false);
  expect(countedSteps(events, "train")).toEqual(TWELVE);
  expect(countedSteps(events, "eval")).toEqual([3, 6, 9, 12]);
});

it("says where a training went back to an earlier checkpoint", async ({ config, options }) => {
  const run = await openRun(config, { ...options, checkpointEvery: { steps: 100 } });
  await trainUntil(run, 6);
  const [, ...recorded] = await eventsOf(run);
  await fs.rm(path.join(run.dir, "checkpoints"), { recursive: true });
  await trainUntil(await openRun(config, options));
  const events = await eventsOf(run);
  const restarts = events.filter(({ isRestart }) => isRestart).map(({ step }) => step);
  expect([recorded.length, restarts]).toEqual([run.metrics.length, [1]]);
  expect(countedSteps(events, "train")).toEqual(TWELVE);
});

it("is not written where it is not wanted, and is caught up with where it is", async ({ config, options }) => {
  const run = await openRun(config, { ...options, tensorBoard: false });
  await trainUntil(run, 4);
  expect(await fs.readdir(run.dir)).not.toContain(EVENT_FILE);
  await trainUntil(await openRun(config, options));
  expect(countedSteps(await eventsOf(run), "train")).toEqual(TWELVE);
  await expect(openRun(config, { ...options, tensorBoard: 1 as unknown as boolean })).rejects.toThrow(
    "tensorBoard is 1 in the options of a run: expected true or false",
  );
});
