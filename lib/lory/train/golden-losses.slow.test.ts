import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import { useTestBackend } from "../testing";
import { GOLDEN_FILE, GOLDEN_RUNS, trainGolden, type GoldenLosses } from "./testing/golden-runs";

// The file has five decimals. Another machine, or backend, sums in another order: a rounding of 6e-8 grows over eight steps of Adam.
const TOLERANCE = { rtol: 1e-4, atol: 0 };

const golden = JSON.parse(readFileSync(GOLDEN_FILE, "utf8")) as GoldenLosses;

beforeAll(useTestBackend);

test("every mode has its run in the file, and nothing else has", () => {
  expect(Object.keys(golden)).toEqual(Object.keys(GOLDEN_RUNS));
});

test.each(Object.entries(GOLDEN_RUNS))("the losses of a tiny run are the kept ones: %s", async (name, model) => {
  const before = tf.memory().numTensors;
  expectClose(await trainGolden(model), [...golden[name]], TOLERANCE);
  expect(tf.memory().numTensors).toBe(before);
});

test.each([
  "causal_segment, own_stop_gradient",
  "whole_sequence, expert dropout",
  "token_choice, losses",
  "remoe, plain",
])("they are the same where each batch passes in three parts: %s", async (name) => {
  expectClose(await trainGolden(GOLDEN_RUNS[name], 3), [...golden[name]], TOLERANCE);
});

test("the runs are not all alike", () => {
  const last = Object.values(golden).map((losses) => losses[losses.length - 1]);
  expect(new Set(last.map((loss) => loss.toFixed(4))).size).toBe(last.length);
});
