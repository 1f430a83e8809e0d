// Shapes: S texts, L context, N segments, E experts.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { expertLayers, forward, type ModelConfig, type Params } from "../models";
import { mergesExperts, routesBySegmentsBefore, type Pass } from "../moe";

/** The routing weights of a text's segments. */
export interface TextRouting {
  /** The layers with experts, counted from 0. */
  readonly layers: readonly number[];
  /** By those layers, segment and expert. */
  readonly weights: readonly (readonly (readonly number[])[])[];
}

const textWeights = jit(
  (params: Params, tokens_SL: tf.Tensor2D, pass: Pass, config: ModelConfig) =>
    forward(params, tokens_SL, config, pass).routing,
  { name: "routing of texts" },
);

/**
 * What routes each segment of texts that were written by segments: the weights that `generate` used with `routing: "segments"`, or would have.
 *
 * @param texts token ids, prompt and continuation, at most `contextLength`; a last segment that is not whole is routed too
 * @param promptLengths tokens of each text that were given
 * @throws Error for a model whose experts are not merged by the segments before
 */
export async function routingOfTexts(
  params: Params,
  config: ModelConfig,
  texts: readonly (readonly number[])[],
  promptLengths: readonly number[],
): Promise<TextRouting[]> {
  const { contextLength, numExperts, routingMode, segmentLength } = config;
  if (numExperts === 0 || !mergesExperts(routingMode) || !routesBySegmentsBefore(routingMode)) {
    throw new Error(
      `numExperts is ${numExperts}, routingMode "${routingMode}": its segments are not routed by what stands before them`,
    );
  }
  const tokens = new Int32Array(texts.length * contextLength);
  texts.forEach((ids, row) => tokens.set(ids, row * contextLength));
  const tokens_SL = tf.tensor2d(tokens, [texts.length, contextLength], "int32");
  const promptLength_B = tf.tensor1d([...promptLengths], "int32");
  const perLayer = textWeights(params, tokens_SL, { kind: "continuation", promptLength_B }, config);
  const values = await Promise.all(perLayer.map((weights_SNE) => weights_SNE.array()));
  tf.dispose([tokens_SL, promptLength_B, ...perLayer]);
  return texts.map((ids, text) => ({
    layers: expertLayers(config),
    weights: values.map((weights) => weights[text].slice(0, Math.ceil(ids.length / segmentLength))),
  }));
}

/** How routing moves along a text, in total variation distance: 0, the same weights, to 1, no expert in common. By segment, from a first one on. */
export interface RoutingDrift {
  /** The segments, counted from 0. */
  readonly segments: readonly number[];
  /** From the weights of the segment before, mean over layers and texts. */
  readonly fromBefore: readonly number[];
  /** From the weights of segment `first - 1`, those that the prompt's end was passed with. */
  readonly fromPrompt: readonly number[];
  /** The same by layer. */
  readonly fromPromptByLayer: readonly (readonly number[])[];
  /** Texts that reach the segment. */
  readonly texts: readonly number[];
}

/**
 * The drift of routing through texts.
 *
 * @param first the segment to begin with, counted from 0, at least 1; texts that end before a segment have no part in it
 */
export function routingDrift(texts: readonly TextRouting[], first: number): RoutingDrift {
  if (!Number.isSafeInteger(first) || first < 1) {
    throw new RangeError(
      `first is ${first}: expected a segment from 1 on, counted from 0, since drift needs one before it`,
    );
  }
  const reach = Math.max(0, ...texts.map(({ weights }) => weights[0].length));
  const segments = Array.from({ length: Math.max(0, reach - first) }, (_, i) => first + i);
  const reaching = segments.map((segment) => texts.filter(({ weights }) => weights[0].length > segment));
  const layers = texts[0]?.layers ?? [];
  const drift = (segment: number, from: number, layer: number, of: readonly TextRouting[]): number =>
    meanOf(of.map(({ weights }) => totalVariation(weights[layer][segment], weights[layer][from])));
  const byLayer = (from: (segment: number) => number): number[][] =>
    layers.map((_, layer) => segments.map((segment, i) => drift(segment, from(segment), layer, reaching[i])));
  const overLayers = (distances: number[][]): number[] =>
    segments.map((_, i) => meanOf(distances.map((row) => row[i])));
  const fromPromptByLayer = byLayer(() => first - 1);
  return {
    segments,
    fromBefore: overLayers(byLayer((segment) => segment - 1)),
    fromPrompt: overLayers(fromPromptByLayer),
    fromPromptByLayer,
    texts: reaching.map(({ length }) => length),
  };
}

/** Half the sum of absolute differences of two distributions. */
export function totalVariation(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / 2;
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
