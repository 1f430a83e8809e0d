// Shapes: B rows, L prompt, C places of the cache, D model, V vocabulary, Q what routing adds up (D or E).
import * as tf from "@tensorflow/tfjs-core";
import {
  decodeExperts,
  prefillExperts,
  routeNextSegment,
  tokenFfn,
  type DecodingPass,
  type RoutedExperts,
  type TokenFfn,
} from "../moe";
import {
  attentionHeads,
  cachedAttention,
  embedding,
  filledCache,
  joinedHeads,
  linear,
  rmsNorm,
  ropeTables,
  ropeTablesAt,
  seenPlaces,
  type KvCache,
} from "../nn";
import type { ModelConfig } from "./config";
import type { LayerParams, Params } from "./params";
import { applyFfn, mixerFor } from "./transformer";

/** What a layer remembers of the tokens so far: keys and values, and the sums that the next segment is routed by, where one is. */
export type LayerMemory = KvCache & { sum_BQ?: tf.Tensor2D };

/** A model as new tokens pass it: every bank of experts routed, or its tokens routing themselves. */
export type DecodingParams = Omit<Params, "layers"> & {
  layers: (Omit<LayerParams, "ffn"> & { ffn: TokenFfn })[];
};

/** What reading prompts gives: the logits of each row's next token, and all that writing needs. */
export type Prefilled = { logits_BV: tf.Tensor2D; memory: LayerMemory[]; routed: RoutedExperts[] };

/**
 * Reads prompts of different lengths, each in a row that is filled up on the right; what the filling holds has no effect.
 *
 * @param tokens_BL int32, [B, L]
 * @param pass what the tokens after the prompts are routed by
 * @param places C, tokens that the cache has room for, L at least
 */
export function prefill(
  params: Params,
  tokens_BL: tf.Tensor2D,
  pass: DecodingPass,
  config: ModelConfig,
  places: number,
): Prefilled {
  return tf.tidy(() => {
    const [batch, length] = tokens_BL.shape;
    const tables = ropeTables(length, config.dModel / config.numHeads, config.ropeTheta);
    const mix = mixerFor(tokens_BL, config);
    const memory: LayerMemory[] = [];
    const routed: RoutedExperts[] = [];
    let x_BLD = embedding(params.embed_VD, tokens_BL) as tf.Tensor3D;
    for (const layer of params.layers) {
      const seen_BLD = rmsNorm(x_BLD, layer.attnNorm_D, config.normEps);
      const heads = attentionHeads(layer, seen_BLD, config.numHeads, tables);
      const mixed_BHLK = mix(heads.q_BHLK, heads.k_BHLK, heads.v_BHLK);
      const attended_BLD = tf.add<tf.Tensor3D>(x_BLD, joinedHeads(layer, mixed_BHLK));
      const normed_BLD = rmsNorm(attended_BLD, layer.ffnNorm_D, config.normEps);
      const passed = prefillFfn(layer, normed_BLD, config, pass);
      x_BLD = tf.add<tf.Tensor3D>(attended_BLD, passed.y_BLD);
      memory.push({ ...filledCache(heads, places), ...(passed.sum_BQ && { sum_BQ: passed.sum_BQ }) });
      routed.push(passed.routed);
    }
    const int = (value: number): tf.Scalar => tf.scalar(value, "int32");
    const starts_B = tf.mul<tf.Tensor1D>(tf.range(0, batch, 1, "int32"), int(length));
    const last_B = tf.add<tf.Tensor1D>(starts_B, tf.sub(pass.promptLength_B, int(1)));
    const last_BD = tf.gather<tf.Tensor2D>(tf.reshape(x_BLD, [batch * length, config.dModel]), last_B);
    return { logits_BV: logitsOf(params, last_BD, config), memory, routed };
  });
}

function prefillFfn(
  { ffn }: LayerParams,
  x_BLD: tf.Tensor3D,
  config: ModelConfig,
  pass: DecodingPass,
): ReturnType<typeof prefillExperts> {
  if ("router_DE" in ffn) return prefillExperts(ffn, x_BLD, config, pass);
  return { y_BLD: applyFfn(ffn, x_BLD, config, pass).y_BLD, routed: {} };
}

/** The model with its routed layers in the place of their banks. Its tensors are those of `params` and `routed`. */
export function decodingParams(params: Params, routed: readonly RoutedExperts[]): DecodingParams {
  const ffnOf = ({ ffn }: LayerParams, i: number): TokenFfn => {
    if ("router_DE" in ffn) return tokenFfn(ffn, routed[i]);
    return "gateUp_RDG" in ffn ? { network: ffn } : ffn;
  };
  return { ...params, layers: params.layers.map((layer, i) => ({ ...layer, ffn: ffnOf(layer, i) })) };
}

/**
 * One more token of each row: equal to the last position of `forward` over the whole text.
 *
 * @param token_B int32
 * @param position_B int32, tokens of each row before this one, below C
 * @param documentStart_B int32, the position at which each token's document begins, where `documentMask` is set
 */
export function decodeToken(
  params: DecodingParams,
  memory: readonly LayerMemory[],
  token_B: tf.Tensor1D,
  position_B: tf.Tensor1D,
  config: ModelConfig,
  documentStart_B?: tf.Tensor1D,
): { logits_BV: tf.Tensor2D; memory: LayerMemory[] } {
  return tf.tidy(() => {
    const places = memory[0].k_BHCK.shape[2];
    const tables = ropeTables(places, config.dModel / config.numHeads, config.ropeTheta);
    const seen_B11C = seenPlaces(position_B, places, documentStart_B);
    const at = { position_B, tables_B: ropeTablesAt(tables, position_B), seen_B11C };
    let x_B1D = tf.expandDims<tf.Tensor3D>(embedding(params.embed_VD, token_B), 1);
    const next = params.layers.map((layer, i): LayerMemory => {
      const seen_B1D = rmsNorm(x_B1D, layer.attnNorm_D, config.normEps);
      const { y_B1D: mixed_B1D, cache } = cachedAttention(layer, seen_B1D, config.numHeads, memory[i], at);
      const attended_B1D = tf.add<tf.Tensor3D>(x_B1D, mixed_B1D);
      const normed_B1D = rmsNorm(attended_B1D, layer.ffnNorm_D, config.normEps);
      const { y_B1D, sum_BQ } = decodeExperts(layer.ffn, normed_B1D, memory[i].sum_BQ, config);
      x_B1D = tf.add<tf.Tensor3D>(attended_B1D, y_B1D);
      return { ...cache, ...(sum_BQ && { sum_BQ }) };
    });
    const x_BD: tf.Tensor2D = tf.reshape(x_B1D, [-1, config.dModel]);
    return { logits_BV: logitsOf(params, x_BD, config), memory: next };
  });
}

/** What segments are routed by, apart from keys and values. */
export type SegmentMemory = { sum_BQ?: tf.Tensor2D; routed: RoutedExperts };

/**
 * Routes a row's next segment in every layer, when the one before it is complete.
 *
 * @param layers each layer's sums and what routes it now
 * @param row int32
 * @param tokens float32, tokens of the row so far
 */
export function routeNextSegments(
  params: Params,
  layers: readonly SegmentMemory[],
  row: tf.Scalar,
  tokens: tf.Scalar,
  config: ModelConfig,
): SegmentMemory[] {
  return layers.map(({ sum_BQ, routed }, i): SegmentMemory => {
    const { ffn } = params.layers[i];
    if (sum_BQ === undefined || !("router_DE" in ffn)) return { routed, ...(sum_BQ && { sum_BQ }) };
    return routeNextSegment(ffn, routed, sum_BQ, row, tokens, config);
  });
}

function logitsOf(
  { norm_D, head_DV }: Pick<Params, "norm_D" | "head_DV">,
  x_BD: tf.Tensor2D,
  config: ModelConfig,
): tf.Tensor2D {
  return linear(rmsNorm(x_BD, norm_D, config.normEps), head_DV) as tf.Tensor2D;
}
