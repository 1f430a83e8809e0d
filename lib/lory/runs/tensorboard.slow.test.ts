import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect } from "vitest";
import { transformersPython } from "../models/hugging-face/transformers/transformers-process";
import { LineProcess } from "../testing/line-process";
import { METRICS } from "../train";
import { it } from "../train/testing/run-test";
import { writeTensorBoard } from "./tensorboard";

describe.skipIf(!existsSync(transformersPython()))("TensorBoard", () => {
  it("reads every number that a run has recorded, under its name", async ({ options, whole }) => {
    const logDir = path.join(options.runsDir!, "events");
    await writeTensorBoard({ runsDir: path.dirname(whole.dir), logDir });
    const python = new LineProcess(transformersPython(), [path.join(__dirname, "read_events.py")], {});
    try {
      const read = await python.ask<Record<string, [number, number][]>>({ folder: path.join(logDir, whole.id) });
      const expected = (value: (step: (typeof whole.metrics)[number]) => number | null | undefined) =>
        whole.metrics.flatMap((step) => {
          const number = value(step);
          return typeof number === "number" ? [[step.step, Math.fround(number)]] : [];
        });
      const rounded = (name: string) => read[name].map(([step, value]) => [step, Math.fround(value)]);
      for (const field of ["lossNats", "gradNorm", "learningRate", "tokensPerSecond", "utilization"] as const) {
        expect(rounded(METRICS[field].name)).toEqual(expected((step) => step[field]));
      }
      const ofLayer = `${METRICS.meanEntropyNats.name}/01`;
      expect(rounded(ofLayer)).toEqual(expected(({ meanEntropyNats }) => meanEntropyNats?.[1]));
    } finally {
      await python.end();
    }
  });
});
