import type { RoutingConfig } from "../moe";

/** Everything that determines a model, but for its weights. */
export interface ModelConfig extends RoutingConfig {
  /** V, pieces of the tokenizer. */
  readonly vocabSize: number;
  /** L, the most tokens that a sequence has. */
  readonly contextLength: number;
  /** d, width of the residual stream. */
  readonly dModel: number;
  /** d', width of one expert's (or the dense FFN's) hidden layer. */
  readonly dFfn: number;
  readonly numLayers: number;
  readonly numHeads: number;
  /** E; 0 is a dense FFN in every layer. */
  readonly numExperts: number;
  /** Every n-th layer has experts: 1 is all of them, 2 the second, the fourth and so on. */
  readonly expertLayerStep: number;
  /** Layers, counted from 0, that keep a dense FFN all the same. */
  readonly denseLayers: readonly number[];
  /**
   * The token that ends a document, where attention is to stay within documents: a position then sees none of a document before its own. Null, the
   * default: attention sees all that comes before. Rotary positions count on through the documents, since attention reads differences of positions
   * alone. Routers do not heed it: segments are cut, and routed, as without it, and may span documents.
   */
  readonly documentMask: number | null;
  /** Added to the mean square in RMSNorm. */
  readonly normEps: number;
  /** Base of the rotary frequencies. */
  readonly ropeTheta: number;
  /** Standard deviation of the initial weights. */
  readonly initStd: number;
}

/** LLaMA's rule for d': two thirds of 4 d, rounded up to a multiple. */
export function llamaFfnWidth(dModel: number, multipleOf = 256): number {
  return multipleOf * Math.ceil(Math.floor((8 * dModel) / 3) / multipleOf);
}

type Size = Pick<
  ModelConfig,
  "vocabSize" | "contextLength" | "segmentLength" | "dModel" | "dFfn" | "numLayers" | "numHeads"
>;

/** The paper's routing, and for the other modes what their sources use; no balancing. */
export const ROUTING_DEFAULTS = {
  routingMode: "causal_segment",
  firstSegmentRule: "own_stop_gradient",
  numExpertsPerTok: 2,
  normTopkProb: true,
  capacityFactor: 1,
  expertChoiceUnit: "segment",
  expertChoicePool: "batch",
  segmentShare: 0.5,
  expertPoolSize: 4,
  l1InitialCoef: 1e-8,
  l1CoefMultiplier: 1.2,
  expertDropout: 0,
  routerAuxLossCoef: 0,
  loadBalancingScope: "global_batch",
  routerZLossCoef: 0,
  routerBiasUpdateRate: 0,
} as const satisfies Omit<RoutingConfig, "segmentLength">;

const preset = (size: Size, numExperts: number): ModelConfig => ({
  ...size,
  numExperts,
  expertLayerStep: 1,
  denseLayers: [],
  ...ROUTING_DEFAULTS,
  documentMask: null,
  normEps: 1e-5,
  ropeTheta: 10_000,
  initStd: 0.02,
});

/** The paper's set-up: LLaMA's 32 000 pieces, L = 4096, T = 256; d' by LLaMA's rule. */
const paper = (dModel: number, numLayers: number, numHeads: number): Size => ({
  vocabSize: 32_000,
  contextLength: 4096,
  segmentLength: 256,
  dModel,
  dFfn: llamaFfnWidth(dModel),
  numLayers,
  numHeads,
});

/** Small sizes, named by the parameters in the blocks of the dense model; embedding and head come on top. */
const small = (dModel: number, dFfn: number, numLayers: number, numHeads: number): Size => ({
  vocabSize: 8192,
  contextLength: 512,
  segmentLength: 64,
  dModel,
  dFfn,
  numLayers,
  numHeads,
});

const SIZES = {
  "1m": small(128, 512, 4, 4),
  "5m": small(256, 768, 6, 4),
  "20m": { ...small(512, 1536, 6, 8), contextLength: 1024, segmentLength: 128 },
  "0.3b": paper(1024, 24, 16),
  "1.5b": paper(1536, 48, 24),
  "7b": paper(4096, 32, 32),
} satisfies Record<string, Size>;

export const PRESET_NAMES = [
  "1m",
  "1m-8e",
  "5m",
  "5m-8e",
  "20m",
  "20m-8e",
  "bench-small",
  "bench-small-8e",
  "0.3b",
  "0.3b-8e",
  "0.3b-16e",
  "0.3b-32e",
  "1.5b",
  "1.5b-8e",
  "1.5b-16e",
  "1.5b-32e",
  "7b",
  "7b-4e",
] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

/** Ready configurations; the suffix is the number of experts, none is the dense model of the same active size. */
export const PRESETS = {
  "1m": preset(SIZES["1m"], 0),
  "1m-8e": preset(SIZES["1m"], 8),
  "5m": preset(SIZES["5m"], 0),
  "5m-8e": preset(SIZES["5m"], 8),
  "20m": preset(SIZES["20m"], 0),
  "20m-8e": preset(SIZES["20m"], 8),
  // What the speed of a training step is compared on; fixed, whatever becomes of the other sizes.
  "bench-small": preset(small(256, 768, 6, 4), 0),
  "bench-small-8e": preset(small(256, 768, 6, 4), 8),
  "0.3b": preset(SIZES["0.3b"], 0),
  "0.3b-8e": preset(SIZES["0.3b"], 8),
  "0.3b-16e": preset(SIZES["0.3b"], 16),
  "0.3b-32e": preset(SIZES["0.3b"], 32),
  "1.5b": preset(SIZES["1.5b"], 0),
  "1.5b-8e": preset(SIZES["1.5b"], 8),
  "1.5b-16e": preset(SIZES["1.5b"], 16),
  "1.5b-32e": preset(SIZES["1.5b"], 32),
  "7b": preset(SIZES["7b"], 0),
  "7b-4e": preset(SIZES["7b"], 4),
} as const satisfies Record<PresetName, ModelConfig>;
