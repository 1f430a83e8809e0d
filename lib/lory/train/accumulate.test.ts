import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { expertLayers, paramsToList, type ModelConfig } from "../models";
import { randomParams, randomTokens, tinyConfig, tokenTensor, useTestBackend } from "../testing";
import { Draws } from "../testing/draws";
import { batchLossesAndGrads } from "./accumulate";
import { modelObjective } from "./model-objective";
import { it } from "./testing/run-test";
import { openRun } from "./run";
import { trainUntil } from "./testing/tiny-run";

beforeAll(useTestBackend);
afterEach(useTestBackend);

/** Compiled on the tested backend; the others run plainly, which takes no time. */
const COMPILED = "expert dropout";

const BATCH = 4;

/** What of a batch each mode's losses, loads and gradients depend on. */
const CASES: Readonly<Record<string, Partial<ModelConfig>>> = {
  dense: { numExperts: 0 },
  "causal segments": {},
  "documents apart": { vocabSize: 4, documentMask: 2 },
  "expert dropout": { routingMode: "whole_sequence", expertDropout: 0.4 },
  "loads of all tokens": { routingMode: "token_choice", routerAuxLossCoef: 0.5, routerZLossCoef: 0.1 },
  "loads of a sequence, biases": {
    routingMode: "token_choice",
    routerAuxLossCoef: 0.5,
    loadBalancingScope: "sequence",
    routerBiasUpdateRate: 0.1,
  },
  "loads in a pool": { routingMode: "document_pool", expertPoolSize: 2, numExpertsPerTok: 1, routerAuxLossCoef: 0.5 },
  "loads beside segments": { routingMode: "segment_and_token", numExpertsPerTok: 1, routerAuxLossCoef: 0.5 },
  "the penalty of ReMoE": { routingMode: "remoe", numExpertsPerTok: 1, l1InitialCoef: 0.5 },
  "choice from a sequence": { routingMode: "expert_choice", expertChoicePool: "sequence", expertChoiceUnit: "token" },
};

describe("a batch in parts has the losses, loads and gradients of the whole", () => {
  test.each(Object.entries(CASES))("%s", async (name, keys) => {
    if (name !== COMPILED) await tf.setBackend("cpu");
    const config = tinyConfig({ numLayers: 1, ...keys });
    const objective = modelObjective(config);
    const params = paramsToList(randomParams(config, 7)).map(({ tensor }) => tensor);
    const tokens_BM = tokenTensor(randomTokens(config, BATCH, config.contextLength + 1, 8));
    const shape = [expertLayers(config).length, BATCH, config.numExperts] as [number, number, number];
    const draws = new Draws(9);
    const uniform_YBE =
      config.expertDropout > 0
        ? tf.tensor3d(
            draws.many(tf.util.sizeFromShape(shape), () => draws.integer(1000) / 1000),
            shape,
          )
        : undefined;
    const ofParts = jit((at: tf.Tensor[], tokens: tf.Tensor2D, uniform?: tf.Tensor3D) =>
      [1, 2].map((parts) => batchLossesAndGrads(objective, at, tokens, { uniform_YBE: uniform }, parts)),
    );
    const [whole, { losses, grads }] = ofParts(params, tokens_BM, uniform_YBE);
    expect(Object.keys(losses)).toEqual(Object.keys(whole.losses));
    for (const [which, loss] of Object.entries(whole.losses.auxiliary)) {
      expectClose(losses.auxiliary[which as keyof typeof losses.auxiliary]!, loss, { rtol: 2e-6, atol: 0 });
    }
    expectClose(losses.objective, whole.losses.objective, { rtol: 2e-6, atol: 0 });
    expectClose(losses.lossNats, whole.losses.lossNats, { rtol: 2e-6, atol: 0 });
    whole.losses.loads.forEach((load_E, y) => expectClose(losses.loads[y], load_E, { rtol: 0, atol: 0 }));
    if (whole.losses.activeExperts)
      expectClose(losses.activeExperts!, whole.losses.activeExperts, { rtol: 2e-6, atol: 0 });
    whole.grads.forEach((grad, i) => {
      const largest = Math.max(0.01, ...[...grad.dataSync()].map(Math.abs));
      expectClose(grads[i], grad, { rtol: 1e-5, atol: 2e-6 * largest });
    });
    tf.dispose([params, tokens_BM, whole, losses, grads]);
    uniform_YBE?.dispose();
  });
});

it("a run in parts ends where the run of whole batches does", async ({ config, options }) => {
  const keys = {
    routingMode: "token_choice",
    numExperts: 3,
    numExpertsPerTok: 1,
    routerBiasUpdateRate: 0.25,
    routerAuxLossCoef: 0.1,
  } as const;
  const input = { ...config, batchSize: 4, model: { ...config.model, ...keys } };
  const [whole, inParts] = await Promise.all(
    [1, 2].map((accumulation) => openRun({ ...input, accumulation }, options)),
  );
  const expected = await trainUntil(whole);
  const seen = await trainUntil(inParts);
  expect(inParts.id).not.toBe(whole.id);
  expect(seen.length).toBe(6);
  seen.forEach((step, i) => {
    for (const name of ["lossNats", "gradNorm", "objective", "loadBalancing", "maxViolation"] as const) {
      expect(step[name]! / expected[i][name]!).toBeCloseTo(1, 4);
    }
  });
});
