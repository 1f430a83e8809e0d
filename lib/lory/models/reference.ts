// Shapes: B batch, L context, N segments, T tokens a segment, D model, F ffn, E experts, H heads, K head size, V vocabulary.
import type { ModelConfig } from "./config";
import { paramsToList, type Params } from "./params";

/** Weights in float64, by the names of `paramsToList`. */
export type ReferenceParams = ReadonlyMap<string, { shape: readonly number[]; values: Float64Array }>;

export interface ReferenceOptions {
  /** Routes each row by its own first tokens, as many as given here; without it, segments are routed causally. */
  readonly promptLength_B?: readonly number[];
  /**
   * By row and layer with experts: the weights that segment 1 uses, in place of what its own mean gives. Central differences need
   * them: where segment 1 routes itself without gradient, the gradient takes its weights as constants.
   */
  readonly firstWeights_BYE?: readonly (readonly Row[])[];
}

export interface ReferenceOutput {
  readonly logits_BLV: Row[][];
  /** By row, layer with experts, and segment. */
  readonly routing_BYNE: Row[][][];
}

type Row = readonly number[];

/** A matrix inside a flat array: `at(i, o)` is `values[offset + i columns + o]`. */
interface Matrix {
  readonly values: ArrayLike<number>;
  readonly columns: number;
  readonly offset?: number;
}

/** Copies a model's weights to float64. */
export function referenceParams(params: Params): ReferenceParams {
  return new Map(
    paramsToList(params).map(({ name, tensor }) => [
      name,
      { shape: tensor.shape, values: Float64Array.from(tensor.dataSync()) },
    ]),
  );
}

/**
 * The whole model in plain loops and float64, one token after another, written for comparison and not for speed: the
 * lowest rung that every faster implementation is checked against. It shares nothing with them but the names.
 */
export function referenceForward(
  params: ReferenceParams,
  tokens_BL: readonly Row[],
  config: ModelConfig,
  options: ReferenceOptions = {},
): ReferenceOutput {
  const rows = tokens_BL.map((tokens_L, b) =>
    forwardRow(params, tokens_L, config, options.promptLength_B?.[b], options.firstWeights_BYE?.[b]),
  );
  return { logits_BLV: rows.map((row) => row.logits_LV), routing_BYNE: rows.map((row) => row.routing_YNE) };
}

/** Mean next-token cross entropy in nats of token rows of L + 1. */
export function referenceLossNats(
  params: ReferenceParams,
  tokens_BM: readonly Row[],
  config: ModelConfig,
  options: ReferenceOptions = {},
): number {
  const { logits_BLV } = referenceForward(
    params,
    tokens_BM.map((row) => row.slice(0, -1)),
    config,
    options,
  );
  let [total, count] = [0, 0];
  tokens_BM.forEach((tokens, b) => {
    for (let l = 0; l + 1 < tokens.length; l++, count++) total -= Math.log(softmax(logits_BLV[b][l])[tokens[l + 1]]);
  });
  return total / count;
}

function forwardRow(
  params: ReferenceParams,
  tokens_L: Row,
  config: ModelConfig,
  promptLength: number | undefined,
  firstWeights_YE: readonly Row[] | undefined,
): { logits_LV: Row[]; routing_YNE: Row[][] } {
  const { dModel: D, dFfn: F, numExperts: E, vocabSize: V } = config;
  const weights = (name: string): Float64Array => {
    const found = params.get(name);
    if (found === undefined) throw new Error(`parameter "${name}" is missing`);
    return found.values;
  };
  let x_LD: Row[] = tokens_L.map((token) => [...weights("embed_VD").slice(token * D, (token + 1) * D)]);
  const routing_YNE: Row[][] = [];
  for (let y = 0; y < config.numLayers; y++) {
    const of = (part: string): Float64Array => weights(`layers.${y}.${part}`);
    const seen_LD = x_LD.map((x_D) => rmsNorm(x_D, of("attnNorm_D"), config.normEps));
    const attended_LD = attention(seen_LD, of("qkv_DQ"), of("out_DD"), config);
    x_LD = x_LD.map((x_D, l) => add(x_D, attended_LD[l]));

    const h_LD = x_LD.map((x_D) => rmsNorm(x_D, of("ffnNorm_D"), config.normEps));
    const isDense = E === 0 || (y + 1) % config.expertLayerStep !== 0 || config.denseLayers.includes(y);
    if (isDense) {
      const [gateUp, down] = [of("ffn.gateUp_DG"), of("ffn.down_FD")];
      x_LD = x_LD.map((x_D, l) => add(x_D, swiglu(h_LD[l], gateUp, down, F)));
      continue;
    }
    const router = { values: of("ffn.router_DE"), columns: E };
    const route = (span_TD: readonly Row[]): Row => softmax(times(mean(span_TD), router));
    const isWhole = promptLength !== undefined || config.routingMode === "whole_sequence";
    const T = isWhole ? h_LD.length : config.segmentLength;
    const firstHasOwnFfn = config.firstSegmentRule === "dense_expert" && promptLength === undefined;
    const decide = (read: readonly Row[] | "rule"): Row => {
      if (read !== "rule") return route(read);
      if (config.firstSegmentRule === "learned_prior") return softmax([...of("ffn.prior_E")]);
      return new Array<number>(E).fill(firstHasOwnFfn ? 0 : 1 / E);
    };
    const weights_NE: Row[] = [];
    for (let start = 0; start < h_LD.length; start += T) {
      const read = promptLength === undefined ? routedBy(h_LD, start, T, config) : h_LD.slice(0, promptLength);
      const weights_E =
        firstWeights_YE !== undefined && start === 0 ? firstWeights_YE[routing_YNE.length] : decide(read);
      weights_NE.push(weights_E);
      // Eq. 2: theta = sum_e weights_e theta_e, for this segment.
      const isOwn = firstHasOwnFfn && start === 0;
      const gateUp = isOwn ? of("ffn.firstGateUp_DG") : mergeBank(of("ffn.gateUp_EDG"), weights_E);
      const down = isOwn ? of("ffn.firstDown_FD") : mergeBank(of("ffn.down_EFD"), weights_E);
      for (let l = start; l < Math.min(start + T, h_LD.length); l++) {
        x_LD[l] = add(x_LD[l], swiglu(h_LD[l], gateUp, down, F));
      }
    }
    routing_YNE.push(weights_NE);
  }
  const head = { values: weights("head_DV"), columns: V };
  const logits_LV = x_LD.map((x_D) => times(rmsNorm(x_D, weights("norm_D"), config.normEps), head));
  return { logits_LV, routing_YNE };
}

/** The tokens whose mean routes the segment that begins at `start`; for a first segment that reads none, `"rule"`. */
function routedBy(
  h_LD: readonly Row[],
  start: number,
  T: number,
  { routingMode, firstSegmentRule }: ModelConfig,
): readonly Row[] | "rule" {
  if (routingMode === "whole_sequence") return h_LD;
  if (routingMode === "own_segment") return h_LD.slice(start, start + T);
  if (routingMode === "prefix") return h_LD.slice(0, T);
  if (start === 0) return firstSegmentRule === "own_stop_gradient" ? h_LD.slice(0, T) : "rule";
  return h_LD.slice(routingMode === "running_mean" ? 0 : start - T, start);
}

/** Causal attention over one row, a head and a query at a time; queries, keys and values lie side by side in `qkv`. */
function attention(x_LD: readonly Row[], qkv: Float64Array, out: Float64Array, config: ModelConfig): Row[] {
  const { dModel: D, numHeads: H, ropeTheta } = config;
  const K = D / H;
  const project = (part: number, head: number): Row[] =>
    x_LD.map((x_D) => times(x_D, { values: qkv, columns: 3 * D, offset: part * D + head * K }).slice(0, K));
  const mixed_LD: number[][] = x_LD.map(() => []);
  for (let head = 0; head < H; head++) {
    const q_LK = project(0, head).map((q_K, l) => rotate(q_K, l, ropeTheta));
    const k_LK = project(1, head).map((k_K, l) => rotate(k_K, l, ropeTheta));
    const v_LK = project(2, head);
    for (let l = 0; l < x_LD.length; l++) {
      const scores = k_LK.slice(0, l + 1).map((k_K) => dot(q_LK[l], k_K) / Math.sqrt(K));
      const probs = softmax(scores);
      for (let c = 0; c < K; c++) mixed_LD[l].push(probs.reduce((sum, p, j) => sum + p * v_LK[j][c], 0));
    }
  }
  return mixed_LD.map((mixed_D) => times(mixed_D, { values: out, columns: D }));
}

/** Turns the pair (c, c + K / 2) by position theta^(-2c / K). */
function rotate(x_K: Row, position: number, theta: number): Row {
  const half = x_K.length / 2;
  const y_K = [...x_K];
  for (let c = 0; c < half; c++) {
    const angle = position * theta ** ((-2 * c) / x_K.length);
    y_K[c] = x_K[c] * Math.cos(angle) - x_K[c + half] * Math.sin(angle);
    y_K[c + half] = x_K[c] * Math.sin(angle) + x_K[c + half] * Math.cos(angle);
  }
  return y_K;
}

function swiglu(x_D: Row, gateUp: ArrayLike<number>, down: ArrayLike<number>, F: number): Row {
  const gateUp_G = times(x_D, { values: gateUp, columns: 2 * F });
  const hidden_F = gateUp_G.slice(0, F).map((gate, f) => (gate / (1 + Math.exp(-gate))) * gateUp_G[F + f]);
  return times(hidden_F, { values: down, columns: x_D.length });
}

function mergeBank(bank: Float64Array, weights_E: Row): Float64Array {
  const size = bank.length / weights_E.length;
  const merged = new Float64Array(size);
  weights_E.forEach((weight, e) => {
    for (let i = 0; i < size; i++) merged[i] += weight * bank[e * size + i];
  });
  return merged;
}

function rmsNorm(x_D: Row, weight_D: Float64Array, eps: number): Row {
  const rms = Math.sqrt(dot(x_D, x_D) / x_D.length + eps);
  return x_D.map((x, d) => (x / rms) * weight_D[d]);
}

/** A row vector times a matrix of as many rows; the product has what is left of a matrix's line after the offset. */
function times(x: Row, { values, columns, offset = 0 }: Matrix): number[] {
  return Array.from({ length: columns - (offset % columns) }, (_, o) =>
    x.reduce((sum, value, i) => sum + value * values[offset + i * columns + o], 0),
  );
}

function softmax(scores: Row): Row {
  const highest = Math.max(...scores);
  const exps = scores.map((score) => Math.exp(score - highest));
  const total = exps.reduce((sum, value) => sum + value, 0);
  return exps.map((value) => value / total);
}

function mean(rows: readonly Row[]): Row {
  return rows[0].map((_, d) => rows.reduce((sum, row) => sum + row[d], 0) / rows.length);
}

function dot(a: Row, b: Row): number {
  return a.reduce((sum, value, i) => sum + value * b[i], 0);
}

function add(a: Row, b: Row): Row {
  return a.map((value, i) => value + b[i]);
}
