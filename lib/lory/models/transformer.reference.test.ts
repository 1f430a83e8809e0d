import fc from "fast-check";
import * as tf from "@tensorflow/tfjs-core";
import { expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, expect, test } from "vitest";
import {
  compiledForwardAndLoss,
  Draws,
  lossGradients,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../testing";
import type { ModelConfig } from "./config";
import { referenceForward, referenceLossNats, referenceParams, type ReferenceParams } from "./reference";
import { forward } from "./transformer";

// float32 against float64: a few hundred roundings of 6e-8 on values of order 1.
const FORWARD = { rtol: 1e-4, atol: 2e-5 };
// Central differences in float64 add about 1e-9.
const GRADIENT = { rtol: 1e-3, atol: 2e-5 };

beforeAll(useTestBackend);

/** Compares logits, routing weights and loss with the reference. */
function compareForward(config: ModelConfig, batch: number, length: number, seed: number): void {
  tf.tidy(() => {
    const params = randomParams(config, seed);
    const tokens_BM = randomTokens(config, batch, length + 1, seed + 1);
    const tokens_BL = tokens_BM.map((row) => row.slice(0, -1));
    const expected = referenceForward(referenceParams(params), tokens_BL, config);
    const actual = compiledForwardAndLoss(params, tokenTensor(tokens_BM), config);
    expectClose(actual.logits_BLV, expected.logits_BLV, FORWARD);
    expect(actual.routing.length).toBe(config.numExperts === 0 ? 0 : config.numLayers);
    actual.routing.forEach((weights_BNE, y) => {
      expectClose(
        weights_BNE,
        expected.routing_BYNE.map((row) => row[y]),
        FORWARD,
      );
    });
    const loss = referenceLossNats(referenceParams(params), tokens_BM, config);
    expectClose(actual.lossNats, loss, FORWARD);
  });
}

test.each<[string, Partial<ModelConfig>, number, number]>([
  ["a last segment that is short", { segmentLength: 4 }, 2, 10],
  ["segments that divide the sequence", { segmentLength: 4 }, 2, 8],
  ["one token a segment", { segmentLength: 1 }, 2, 5],
  ["a last segment of one token", { segmentLength: 3 }, 1, 7],
  ["one segment", { segmentLength: 11 }, 2, 11],
  ["a sequence shorter than a segment", { segmentLength: 9 }, 2, 3],
  ["one token", {}, 2, 1],
  ["one expert", { numExperts: 1 }, 2, 9],
  ["no experts", { numExperts: 0 }, 2, 9],
  ["one layer", { numLayers: 1 }, 2, 9],
  ["one head", { numHeads: 1 }, 2, 9],
  ["the smallest heads", { numHeads: 4 }, 2, 9],
  ["the smallest model", { vocabSize: 1, dModel: 2, dFfn: 1, numLayers: 1, numHeads: 1, numExperts: 1 }, 1, 1],
])("forward and loss equal the float64 reference: %s", (_, keys, batch, length) => {
  compareForward(tinyConfig(keys), batch, length, 17);
});

test("forward and loss equal the float64 reference on models of any shape", () => {
  const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
  fc.assert(
    fc.property(
      fc.record({
        vocabSize: integer(1, 20),
        numHeads: integer(1, 3),
        pairs: integer(1, 3),
        dFfn: integer(1, 7),
        numLayers: integer(1, 3),
        numExperts: integer(0, 5),
        contextLength: integer(1, 12),
        segmentShare: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      integer(1, 3),
      integer(0, 2 ** 30),
      ({ pairs, segmentShare, ...keys }, batch, seed) => {
        const segmentLength = 1 + Math.round(segmentShare * (keys.contextLength - 1));
        const config = tinyConfig({ ...keys, dModel: 2 * pairs * keys.numHeads, segmentLength });
        compareForward(config, batch, config.contextLength, seed);
      },
    ),
    // Each model is compiled anew.
    { numRuns: 10 },
  );
});

test("prompt routing equals the float64 reference", () => {
  const config = tinyConfig();
  const params = randomParams(config, 5);
  const tokens_BL = randomTokens(config, 3, 9, 6);
  const promptLength_B = [4, 9, 1];
  const expected = referenceForward(referenceParams(params), tokens_BL, config, { promptLength_B });
  const actual = forward(params, tokenTensor(tokens_BL), config, {
    mode: "prompt",
    promptLength_B: tf.tensor1d(promptLength_B, "int32"),
  });
  expectClose(actual.logits_BLV, expected.logits_BLV, FORWARD);
  actual.routing.forEach((weights_B1E, y) => {
    expectClose(
      weights_B1E,
      expected.routing_BYNE.map((row) => row[y]),
      FORWARD,
    );
  });
});

/** `params` with one number moved. */
function moved(params: ReferenceParams, name: string, index: number, by: number): ReferenceParams {
  const { shape, values } = params.get(name)!;
  const changed = Float64Array.from(values);
  changed[index] += by;
  return new Map(params).set(name, { shape, values: changed });
}

test.each<[string, Partial<ModelConfig>, number]>([
  ["Lory, last segment short", { segmentLength: 4 }, 10],
  ["Lory, segments divide", { segmentLength: 3 }, 9],
  ["Lory, one token a segment", { segmentLength: 1 }, 4],
  ["one segment", { segmentLength: 11 }, 11],
  ["dense", { numExperts: 0 }, 9],
])("gradients of every parameter equal central differences of the reference: %s", (_, keys, length) => {
  const config = tinyConfig(keys);
  const params = randomParams(config, 23);
  const tokens_BM = randomTokens(config, 2, length + 1, 24);
  const grads = lossGradients(params, tokenTensor(tokens_BM), config);

  const reference = referenceParams(params);
  const inputs_BL = tokens_BM.map((row) => row.slice(0, -1));
  const { routing_BYNE } = referenceForward(reference, inputs_BL, config);
  const firstWeights_BYE = routing_BYNE.map((layers) => layers.map((weights_NE) => weights_NE[0]));
  const loss = (at: ReferenceParams): number => referenceLossNats(at, tokens_BM, config, { firstWeights_BYE });
  const [step, draws] = [1e-5, new Draws(25)];
  for (const [name, grad] of grads) {
    const { shape, values } = reference.get(name)!;
    const slope = (index: number): number =>
      (loss(moved(reference, name, index, step)) - loss(moved(reference, name, index, -step))) / (2 * step);
    const indices = draws.many(5, () => draws.integer(values.length));
    // A row of the embedding whose token does not occur has no gradient: look at one that does.
    if (name === "embed_VD") indices.push(tokens_BM[0][0] * config.dModel);
    const computed = grad.dataSync();
    expect(grad.shape).toEqual(shape);
    try {
      expectClose(
        indices.map((index) => computed[index]),
        indices.map(slope),
        GRADIENT,
      );
    } catch (error) {
      throw new Error(`gradient of ${name}, entries ${indices.join(", ")}`, { cause: error });
    }
  }
});
