import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { expect } from "vitest";
import { lossNats, paramsToList } from "../models";
import { metricsLine, parseMetricsLine } from "./metrics";
import { openRun, type Run } from "./run";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { trainUntil } from "./testing/tiny-run";

const BIASED = { routingMode: "token_choice", numExperts: 3, numExpertsPerTok: 1, routerBiasUpdateRate: 0.25 } as const;

/** The biases of all layers, by layer. */
async function biases(run: Run): Promise<number[][]> {
  const params = await run.params();
  const list = paramsToList(params).filter(({ name }) => name.endsWith("bias_E"));
  const values = list.map(({ tensor }) => [...tensor.dataSync()]);
  tf.dispose(params);
  return values;
}

it("auxiliary losses are part of what is trained, and not of the loss that is recorded", async ({
  config,
  options,
}) => {
  const keys = { routingMode: "token_choice", routerAuxLossCoef: 0.5, routerZLossCoef: 0.25 } as const;
  const [plain, balanced] = await Promise.all(
    [{ routingMode: keys.routingMode }, keys].map((model) =>
      openRun({ ...config, model: { ...config.model, ...model } }, options),
    ),
  );
  const [first] = await trainUntil(plain);
  const [same, ...later] = await trainUntil(balanced);
  expect(same.lossNats).toBe(first.lossNats);
  expect(first.objective).toBe(first.lossNats);
  expect(same.objective).toBeCloseTo(same.lossNats + 0.5 * same.loadBalancing! + 0.25 * same.routerZ!, 5);
  expect(same.gradNorm).not.toBe(first.gradNorm);
  expect(Math.min(...later.map(({ maxViolation }) => maxViolation!))).toBeGreaterThanOrEqual(0);
  expect(parseMetricsLine(metricsLine(same))).toEqual(same);
});

it("modes without assignments record nothing of it", ({ whole }) => {
  expect(whole.metrics[0]).not.toHaveProperty("objective");
});

it("the penalty of ReMoE follows the number of experts, and goes on where a training was stopped", async ({
  config,
  options,
}) => {
  const keys = {
    routingMode: "remoe",
    numExperts: 3,
    numExpertsPerTok: 1,
    l1InitialCoef: 0.01,
    l1CoefMultiplier: 1.5,
  } as const;
  const input = { ...config, model: { ...config.model, ...keys } };
  const unbroken = await openRun(input, { runsDir: path.join(options.runsDir!, "unbroken") });
  const steps = await trainUntil(unbroken);
  expect(steps[0].l1Coefficient).toBeCloseTo(0.01, 8);
  steps.slice(1).forEach((step, i) => {
    const before = steps[i];
    const factor = 1.5 ** Math.sign(before.activeExperts! - 1);
    expect(step.l1Coefficient! / before.l1Coefficient!).toBeCloseTo(factor, 5);
    expect(before.objective).toBeCloseTo(before.lossNats + before.l1Coefficient! * before.activationL1!, 5);
  });
  const stopped = await openRun(input, options);
  await trainUntil(stopped, 5);
  const resumed = await openRun(input, options);
  await trainUntil(resumed);
  await expectSame(resumed, unbroken);
  expect(resumed.metrics.map(({ l1Coefficient }) => l1Coefficient)).toEqual(
    steps.map(({ l1Coefficient }) => l1Coefficient),
  );
});

it("experts are dropped in training by seed and step, so that a stop changes nothing; the loss of evaluation drops none", async ({
  config,
  options,
}) => {
  const model = { ...config.model, routingMode: "whole_sequence", numExperts: 4 } as const;
  const [without, unbroken] = await Promise.all(
    [0, 0.5].map((expertDropout) =>
      openRun({ ...config, model: { ...model, expertDropout } }, { runsDir: path.join(options.runsDir!, "unbroken") }),
    ),
  );
  const [plain] = await trainUntil(without);
  const [first] = await trainUntil(unbroken);
  expect(first.lossNats).not.toBe(plain.lossNats);
  const stopped = await openRun(unbroken.config, options);
  await trainUntil(stopped, 5);
  const resumed = await openRun(unbroken.config, options);
  await trainUntil(resumed);
  await expectSame(resumed, unbroken);

  const params = await unbroken.params();
  const tokens_BM = tf.tensor2d([[1, 2, 3, 4, 5, 6, 7, 8, 9]], [1, 9], "int32");
  const losses = [unbroken, without].map((run) => lossNats(params, tokens_BM, run.config.model).dataSync()[0]);
  expect(losses[0]).toBe(losses[1]);
  tf.dispose([params, tokens_BM]);
});

it("the bias moves by its rate each step, and a training that was stopped has the same", async ({
  config,
  options,
}) => {
  const input = { ...config, model: { ...config.model, ...BIASED } };
  const unbroken = await openRun(input, { runsDir: path.join(options.runsDir!, "unbroken") });
  await trainUntil(unbroken);
  const moved = (await biases(unbroken)).flat();
  expect(moved.length).toBe(2 * 3);
  for (const bias of moved) expect(Number.isInteger(bias / 0.25)).toBe(true);
  expect(moved.some((bias) => bias !== 0)).toBe(true);

  const stopped = await openRun(input, options);
  await trainUntil(stopped, 5);
  const resumed = await openRun(input, options);
  await trainUntil(resumed);
  await expectSame(resumed, unbroken);
});
