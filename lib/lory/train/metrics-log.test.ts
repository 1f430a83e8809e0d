import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { metricsLine, parseMetricsLine, type StepMetrics } from "./metrics";
import { openMetricsLog, readMetrics } from "./metrics-log";
import { fillDisk } from "./testing/full-disk";

const metrics = (step: number): StepMetrics => ({
  step,
  tokens: step * 128,
  epoch: 0,
  lossNats: Math.fround(Math.PI / step),
  learningRate: 1e-3 / 3,
  gradNorm: Math.fround(1 / 3),
  tokensPerSecond: step === 1 ? null : 1234.5,
  secondsLeft: step === 1 ? null : 0,
});

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await fs.mkdtemp(path.join(os.tmpdir(), "metrics-log-"));
  file = path.join(folder, "metrics.jsonl");
});
afterEach(async () => {
  await fs.rm(folder, { recursive: true });
});

async function written(steps: number): Promise<StepMetrics[]> {
  const all = Array.from({ length: steps }, (_, i) => metrics(i + 1));
  await fs.writeFile(file, all.map(metricsLine).join(""));
  return all;
}

describe("a line", () => {
  it("gives back the same numbers, under OLMo-core's names", () => {
    expect(parseMetricsLine(metricsLine(metrics(1)))).toEqual(metrics(1));
    expect(JSON.parse(metricsLine(metrics(2)))).toMatchObject({
      step: 2,
      "train/CE loss": metrics(2).lossNats,
      "throughput/device/TPS": 1234.5,
    });
  });

  it("is refused without a loss", () => {
    expect(() => parseMetricsLine('{"step":1}')).toThrow(/"throughput\/total tokens" is undefined/);
    expect(() => parseMetricsLine("null")).toThrow(/"step" is undefined/);
  });
});

describe("a file", () => {
  it("that is not there has no steps", async () => {
    expect(await readMetrics(file)).toEqual([]);
  });

  it("is read up to a line that a killed process left unfinished, wherever it was torn", async () => {
    const all = await written(3);
    const whole = await fs.readFile(file);
    const third = whole.length - Buffer.byteLength(metricsLine(all[2]));
    for (let size = third; size < whole.length; size += 7) {
      await fs.writeFile(file, whole.subarray(0, size));
      expect(await readMetrics(file)).toEqual(all.slice(0, 2));
    }
  });

  it("is refused when a line inside is damaged or missing", async () => {
    await fs.writeFile(file, `${metricsLine(metrics(1))}{"step": 2, oops}\n${metricsLine(metrics(3))}`);
    await expect(readMetrics(file)).rejects.toThrow(/line 2 is damaged/);
    await fs.writeFile(file, `${metricsLine(metrics(1))}${metricsLine(metrics(3))}`);
    await expect(readMetrics(file)).rejects.toThrow(/line 2 is damaged/);
  });

  it("is cut to what is kept when it is opened, and goes on from there", async () => {
    const all = await written(5);
    await fs.appendFile(file, '{"step":6,"thr');
    const log = await openMetricsLog(file, all.slice(0, 2));
    await log.append(metrics(3));
    await log.flush();
    await log.close();
    expect(await readMetrics(file)).toEqual(all.slice(0, 3));
  });
});

it("takes lines while it is flushed, in order", async () => {
  const log = await openMetricsLog(file, []);
  await Promise.all([1, 2, 3, 4].flatMap((step) => [log.append(metrics(step)), log.flush()]));
  await log.close();
  expect(await readMetrics(file)).toEqual([1, 2, 3, 4].map(metrics));
});

describe("a full disk", () => {
  it("leaves no half line, and the line is written once there is space", async () => {
    const log = await openMetricsLog(file, []);
    await log.append(metrics(1));
    const free = await fillDisk(10);
    await expect(log.append(metrics(2))).rejects.toThrow(/no space left on the disk: free some/);
    expect(await fs.readFile(file, "utf8")).toBe(metricsLine(metrics(1)));
    free();
    await log.append(metrics(3));
    await log.close();
    expect(await readMetrics(file)).toEqual([1, 2, 3].map(metrics));
  });
});
