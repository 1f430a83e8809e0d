import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { forward } from "../models";
import { randomParams, randomTokens, tinyConfig, tokenTensor } from "../testing";
import { routingDrift, routingOfTexts, totalVariation, type TextRouting } from "./routing-drift";

beforeAll(async () => void (await tf.setBackend("cpu")));

const text = (...segments: number[][]): TextRouting => ({ layers: [1], weights: [segments] });
const [a, b, even] = [[1, 0], [0, 1], [0.5, 0.5]]; // prettier-ignore

describe("drift", () => {
  it("is the distance from the segment before, and from the prompt's", () => {
    const drift = routingDrift([text(a, even, b, a)], 1);
    expect(drift).toEqual({
      segments: [1, 2, 3],
      fromBefore: [0.5, 0.5, 1],
      fromPrompt: [0.5, 1, 0],
      fromPromptByLayer: [[0.5, 1, 0]],
      texts: [1, 1, 1],
    });
  });

  it("is a mean over texts that reach a segment, and over layers", () => {
    const drift = routingDrift([text(a, a, b), text(a, b)], 1);
    expect(drift.fromBefore).toEqual([0.5, 1]);
    expect(drift.texts).toEqual([2, 1]);
    const layers = routingDrift([{ layers: [0, 1], weights: [[a, b], [a, a]] }], 1); // prettier-ignore
    expect(layers.fromPrompt).toEqual([0.5]);
    expect(layers.fromPromptByLayer).toEqual([[1], [0]]);
  });

  it("is 0 of equal weights, 1 of none in common", () => {
    expect([totalVariation(a, a), totalVariation(a, b), totalVariation(b, even)]).toEqual([0, 1, 0.5]);
  });

  it("begins with a segment that has one before it", () => {
    expect(() => routingDrift([], 0)).toThrow("first is 0");
  });
});

describe("the routing of texts", () => {
  it("is that of the forward pass, up to each text's last segment", async () => {
    const config = tinyConfig();
    const params = randomParams(config, 3);
    const texts = randomTokens(config, 2, 11, 4).map((ids, row) => ids.slice(0, [11, 6][row]));
    const routing = await routingOfTexts(params, config, texts, [5, 5]);
    const { routing: expected } = forward(params, tokenTensor([texts[0]]), config);
    routing[0].weights.forEach((weights_NE, layer) => expectClose(weights_NE, tf.squeeze(expected[layer], [0]), EXACT));
    expect(routing[1].weights[0]).toHaveLength(2);
  });

  it("is asked of models whose segments are routed by those before", async () => {
    const own = tinyConfig({ routingMode: "own_segment" });
    await expect(routingOfTexts(randomParams(own, 1), own, [[1]], [1])).rejects.toThrow('routingMode "own_segment"');
  });
});
