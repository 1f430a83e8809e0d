// Shapes: B batch, L context, D model, F ffn, H heads, K head size, V vocabulary.
import type { ModelConfig } from "../config";
import { paramsToList, type Params } from "../params";
import { add, dot, rmsNorm, softmax, swiglu, times, type Row } from "./arithmetic";
import { expertLayer, type ExpertLayerOutput } from "./experts";

/** Weights in float64, by the names of `paramsToList`. */
export type ReferenceParams = ReadonlyMap<string, { shape: readonly number[]; values: Float64Array }>;

/**
 * What a forward pass decided and gradients take as constant, by name: weights without gradient, selections. A pass fills an empty map, and takes
 * from a full one: central differences are those of a pass with the decisions of the point where the gradient is taken.
 */
export type Decisions = Map<string, unknown>;

export interface ReferenceOptions {
  /** Routes each row by its own first tokens, as many as given here; without it, as the configuration says. */
  readonly promptLength_B?: readonly number[];
  readonly decisions?: Decisions;
  /** Whether it is a pass of training, as opposed to evaluation. */
  readonly isTraining?: boolean;
}

export interface ReferenceOutput {
  readonly logits_BLV: Row[][];
  /** By row, layer with experts, and segment or token. */
  readonly routing_BYNE: Row[][][];
  /** The auxiliary losses, each the mean over layers, before their coefficients. */
  readonly auxiliary: Readonly<Record<string, number>>;
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
  const { dModel: D, dFfn: F, numExperts: E, vocabSize: V } = config;
  const weights = (name: string): Float64Array => {
    const found = params.get(name);
    if (found === undefined) throw new Error(`parameter "${name}" is missing`);
    return found.values;
  };
  const embed = weights("embed_VD");
  let x_BLD: Row[][] = tokens_BL.map((tokens_L) =>
    tokens_L.map((token) => [...embed.slice(token * D, (token + 1) * D)]),
  );
  const layers: ExpertLayerOutput[] = [];
  for (let y = 0; y < config.numLayers; y++) {
    const of = (part: string): Float64Array => weights(`layers.${y}.${part}`);
    x_BLD = x_BLD.map((x_LD, b) => {
      const seen_LD = x_LD.map((x_D) => rmsNorm(x_D, of("attnNorm_D"), config.normEps));
      const attended_LD = attention(seen_LD, of("qkv_DQ"), of("out_DD"), config, tokens_BL[b]);
      return x_LD.map((x_D, l) => add(x_D, attended_LD[l]));
    });
    const h_BLD = x_BLD.map((x_LD) => x_LD.map((x_D) => rmsNorm(x_D, of("ffnNorm_D"), config.normEps)));
    const isDense = E === 0 || (y + 1) % config.expertLayerStep !== 0 || config.denseLayers.includes(y);
    let y_BLD: Row[][];
    if (isDense) {
      const [gateUp, down] = [of("ffn.gateUp_DG"), of("ffn.down_FD")];
      y_BLD = h_BLD.map((h_LD) => h_LD.map((h_D) => swiglu(h_D, gateUp, down, F)));
    } else {
      const decide = <T>(name: string, make: () => T): T => decided(options.decisions, `layer ${y}, ${name}`, make);
      const output = expertLayer(h_BLD, { of: (part) => of(`ffn.${part}`), config, options, decide });
      layers.push(output);
      y_BLD = output.y_BLD;
    }
    x_BLD = x_BLD.map((x_LD, b) => x_LD.map((x_D, l) => add(x_D, y_BLD[b][l])));
  }
  const head = { values: weights("head_DV"), columns: V };
  const norm_D = weights("norm_D");
  return {
    logits_BLV: x_BLD.map((x_LD) => x_LD.map((x_D) => times(rmsNorm(x_D, norm_D, config.normEps), head))),
    routing_BYNE: tokens_BL.map((_, b) => layers.map(({ weights_BNE }) => weights_BNE[b])),
    auxiliary: means(layers.map(({ losses }) => losses)),
  };
}

function decided<T>(decisions: Decisions | undefined, name: string, make: () => T): T {
  if (decisions?.has(name)) return decisions.get(name) as T;
  const made = make();
  decisions?.set(name, made);
  return made;
}

function means(layers: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const total: Record<string, number> = {};
  for (const losses of layers) {
    for (const [name, loss] of Object.entries(losses)) total[name] = (total[name] ?? 0) + loss / layers.length;
  }
  return total;
}

/** Mean next-token cross entropy in nats of token rows of L + 1. */
export function referenceLossNats(
  params: ReferenceParams,
  tokens_BM: readonly Row[],
  config: ModelConfig,
  options: ReferenceOptions = {},
): number {
  return meanCrossEntropy(referenceForward(params, inputs(tokens_BM), config, options).logits_BLV, tokens_BM);
}

/** What a step of training differentiates: the cross entropy of a pass of training, and the auxiliary losses by their coefficients. */
export function referenceObjective(
  params: ReferenceParams,
  tokens_BM: readonly Row[],
  config: ModelConfig,
  decisions?: Decisions,
): number {
  const { logits_BLV, auxiliary } = referenceForward(params, inputs(tokens_BM), config, {
    isTraining: true,
    decisions,
  });
  const { loadBalancing = 0, routerZ = 0, activationL1 = 0 } = auxiliary;
  return (
    meanCrossEntropy(logits_BLV, tokens_BM) +
    config.routerAuxLossCoef * loadBalancing +
    config.routerZLossCoef * routerZ +
    config.l1InitialCoef * activationL1
  );
}

const inputs = (tokens_BM: readonly Row[]): Row[] => tokens_BM.map((row) => row.slice(0, -1));

function meanCrossEntropy(logits_BLV: readonly (readonly Row[])[], tokens_BM: readonly Row[]): number {
  let [total, count] = [0, 0];
  tokens_BM.forEach((tokens, b) => {
    for (let l = 0; l + 1 < tokens.length; l++, count++) total -= Math.log(softmax(logits_BLV[b][l])[tokens[l + 1]]);
  });
  return total / count;
}

/** Causal attention over one row, a head and a query at a time; queries, keys and values lie side by side in `qkv`. */
function attention(
  x_LD: readonly Row[],
  qkv: Float64Array,
  out: Float64Array,
  config: ModelConfig,
  tokens_L: Row,
): Row[] {
  const { dModel: D, numHeads: H, ropeTheta, documentMask } = config;
  const K = D / H;
  const project = (part: number, head: number): Row[] =>
    x_LD.map((x_D) => times(x_D, { values: qkv, columns: 3 * D, offset: part * D + head * K }).slice(0, K));
  const mixed_LD: number[][] = x_LD.map(() => []);
  for (let head = 0; head < H; head++) {
    const q_LK = project(0, head).map((q_K, l) => rotate(q_K, l, ropeTheta));
    const k_LK = project(1, head).map((k_K, l) => rotate(k_K, l, ropeTheta));
    const v_LK = project(2, head);
    for (let l = 0; l < x_LD.length; l++) {
      // The token that ends a document is its last: one at l itself has its document behind it.
      const start = documentMask === null || l === 0 ? 0 : tokens_L.lastIndexOf(documentMask, l - 1) + 1;
      const scores = k_LK.slice(start, l + 1).map((k_K) => dot(q_LK[l], k_K) / Math.sqrt(K));
      const probs = softmax(scores);
      for (let c = 0; c < K; c++) mixed_LD[l].push(probs.reduce((sum, p, j) => sum + p * v_LK[start + j][c], 0));
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
