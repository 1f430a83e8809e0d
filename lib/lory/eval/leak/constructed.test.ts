/** A model whose weights are set by hand, so that what it gains from the future is known. */
import * as tf from "@tensorflow/tfjs-core";
import "tfjs-backend-xla";
import { expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Corpus } from "../../data";
import { listToParams, modelConfig, type ModelConfig } from "../../models";
import { leakBySwap, type SwapLeak } from "./swap";
import { leakByTwin } from "./twin";
import { heldOutCorpus } from "./testing/held-out-corpus";

const [NEUTRAL, A, B] = [0, 1, 2];
const size = { vocabSize: 3, contextLength: 6, segmentLength: 2, dModel: 4, dFfn: 1, numLayers: 1, numHeads: 1 };
const leaky = modelConfig({ ...size, numExperts: 2, routingMode: "own_segment" });
const every = { firstProbes: 2, laterProbes: 4, donors: 3, resamples: 100 } as const;

let corpus: Corpus;
let remove: () => Promise<void>;

beforeAll(async () => {
  await tf.setBackend("xla");
  // A segment is the neutral token and the document's own, which nothing before the segment's second place tells from the first one's.
  const document = (own: number): number[] => [NEUTRAL, own, NEUTRAL, own, NEUTRAL, own, NEUTRAL];
  ({ corpus, remove } = await heldOutCorpus([[A, B, A, B].map(document), [A, A, B, B].map(document)], 3));
});
afterAll(() => remove());

/** Matrices by the places that are not 0. */
const matrix = (shape: number[], entries: readonly (readonly number[])[]): tf.Tensor => {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  for (const [place, value] of entries) values[place] = value;
  return tf.tensor(values, shape);
};

/** Token i is the i-th axis. The router takes a segment with token A to expert 0, one with B to expert 1; each predicts its token after the neutral one. */
const params = () =>
  listToParams([
    { name: "embed_VD", tensor: matrix([3, 4], [0, 1, 2].map((token) => [token * 4 + token, 1])) }, // prettier-ignore
    { name: "layers.0.attnNorm_D", tensor: tf.ones([4]) },
    { name: "layers.0.qkv_DQ", tensor: tf.zeros([4, 12]) },
    { name: "layers.0.out_DD", tensor: tf.zeros([4, 4]) },
    { name: "layers.0.ffnNorm_D", tensor: tf.ones([4]) },
    { name: "layers.0.ffn.router_DE", tensor: matrix([4, 2], [[A * 2, 40], [B * 2 + 1, 40]]) }, // prettier-ignore
    { name: "layers.0.ffn.gateUp_EDG", tensor: matrix([2, 4, 2], [[0, 4], [1, 1], [8, 4], [9, 1]]) }, // prettier-ignore
    { name: "layers.0.ffn.down_EFD", tensor: matrix([2, 1, 4], [[A, 1], [4 + B, 1]]) }, // prettier-ignore
    { name: "norm_D", tensor: tf.ones([4]) },
    { name: "head_DV", tensor: matrix([4, 3], [0, 1, 2].map((axis) => [axis * 3 + axis, 20])) }, // prettier-ignore
  ]);

async function swap(config: ModelConfig): Promise<SwapLeak> {
  const weights = params();
  const leak = await leakBySwap({ params: weights, config }, corpus, every);
  tf.dispose(weights);
  return leak;
}

it("is as leaky as it was made: of three other futures one is right", async () => {
  const { wrongFuture, unknownFuture } = await swap(leaky);
  const close = { rtol: 1e-4, atol: 1e-5 };
  for (const { firstSegment, laterSegments, all } of [...unknownFuture.domains, unknownFuture.total]) {
    // Where the segment's second token is predicted; the last one of a segment has no future in it.
    for (const interval of [firstSegment, laterSegments!, all]) expectClose(interval.mean, Math.log(3) / 2, close);
    expect(all.low).toBeGreaterThan(0);
  }
  expectClose(unknownFuture.places[0].firstSegment!.mean, Math.log(3), close);
  expect(unknownFuture.places[1]).toMatchObject({ from: 1, to: 1, firstSegment: { mean: 0, low: 0, high: 0 } });
  expect(wrongFuture.total.all.low).toBeGreaterThan(unknownFuture.total.all.high);
});

it("does not leak with the same weights and a strictly causal routing", async () => {
  for (const keys of [
    { routingMode: "causal_segment", firstSegmentRule: "uniform" },
    { routingMode: "token_choice" },
  ]) {
    const { wrongFuture, unknownFuture } = await swap(modelConfig({ ...leaky, ...(keys as Partial<ModelConfig>) }));
    for (const { total } of [wrongFuture, unknownFuture]) expect(total.all).toEqual({ mean: 0, low: 0, high: 0 });
  }
});

it("gains over a twin that averages its experts what a coin costs", async () => {
  const weights = params();
  const strict = modelConfig({ ...leaky, routingMode: "causal_segment", firstSegmentRule: "uniform" });
  const twin = await leakByTwin({ params: weights, config: leaky }, { params: weights, config: strict }, corpus);
  tf.dispose(weights);
  expectClose(twin.places[0].firstSegment!.mean, Math.LN2, { rtol: 1e-3, atol: 0 });
});
