import type { Corpus, Tokenizer } from "../data";
import type { ModelConfig, Params } from "../models";
import { continuationDifference, continuationLoss } from "./continuation";
import type { ContinuationDifference, DomainContinuation } from "./continuation";
import { continueHeldOut } from "./continue-held-out";
import { decodingSpeed, type DecodingSpeed } from "./decoding-speed";
import type { EvaluationOptions } from "./held-out";
import { routingDrift, type RoutingDrift } from "./routing-drift";
import { promptWeightBytes, softToSparse, type SparseQuality } from "./soft-to-sparse";

/** A trained model. */
export interface TrainedModel {
  readonly params: Params;
  readonly config: ModelConfig;
}

export interface MeasureGenerationOptions extends EvaluationOptions {
  /** Tokens of each window that are given: whole segments. */
  readonly promptLength: number;
  /** Texts of each domain that are continued to the context's end. */
  readonly driftTexts: number;
  /** Of what is drawn in them. */
  readonly seed: number;
  /** Experts to keep in a sparse mixture. */
  readonly counts: readonly number[];
  /** Tokens whose writing is timed in each round, and rounds. */
  readonly speedTokens: number;
  readonly speedRounds: number;
  /** Told what is measured next. */
  readonly onPart?: (part: string) => void;
}

/** What is known of how a model with experts goes on from prompts, beside the dense one of its active size. */
export interface GenerationMeasures {
  readonly promptLength: number;
  readonly dense: readonly DomainContinuation[];
  readonly byPrompt: readonly DomainContinuation[];
  readonly bySegments: readonly DomainContinuation[];
  /** Routed by the prompt minus routed by segments, with intervals over windows. */
  readonly difference: ContinuationDifference;
  /** The same by whole segment behind the prompt, by domain. */
  readonly gaps: readonly { readonly name: string; readonly values: readonly number[] }[];
  /** Of written text, and of the text that was continued. */
  readonly drifts: readonly (RoutingDrift & { readonly name: string })[];
  readonly speeds: readonly DecodingSpeed[];
  readonly sparse: readonly SparseQuality[];
  /** The dense model's loss behind the prompt, mean over domains, and its weights' bytes. */
  readonly denseSize: { readonly lossNats: number; readonly weightBytes: number };
}

/**
 * Measures a model whose experts are merged in both ways of going on from a prompt: routed by the prompt alone, or each segment by the one before it.
 * Losses are those of held-out text behind the prompt; the other parts are described where they are measured.
 *
 * @throws RangeError for a prompt that is not of whole segments, and as the parts do
 */
export async function measureGeneration(
  dense: TrainedModel,
  lory: TrainedModel,
  corpus: Corpus,
  tokenizer: Tokenizer,
  options: MeasureGenerationOptions,
): Promise<GenerationMeasures> {
  const { promptLength, driftTexts, seed, counts, speedTokens, speedRounds, onPart, ...evaluation } = options;
  const { params, config } = lory;
  const firstRouted = promptLength / config.segmentLength;
  if (!Number.isSafeInteger(firstRouted)) {
    throw new RangeError(
      `promptLength is ${promptLength}, segmentLength ${config.segmentLength}: expected whole segments`,
    );
  }
  const behind = { promptLength, ...evaluation };
  onPart?.("losses behind prompts");
  const ofDense = await continuationLoss(dense.params, dense.config, corpus, behind);
  const byPrompt = await continuationLoss(params, config, corpus, { ...behind, routing: "prompt" });
  const bySegments = await continuationLoss(params, config, corpus, { ...behind, routing: "segments" });

  onPart?.("routing through long texts");
  const { signal } = evaluation;
  const sampling = { promptLength, texts: driftTexts, temperature: 1, seed, signal };
  const longTexts = await continueHeldOut(params, config, corpus, tokenizer, sampling);
  const kinds = [
    { name: "written text", texts: longTexts.flatMap(({ written }) => written) },
    { name: "real text", texts: longTexts.flatMap(({ real }) => real) },
  ];

  onPart?.("speed");
  const timed = [
    { name: "dense", ...dense, routing: "prompt" },
    { name: "Lory, routed by the prompt", ...lory, routing: "prompt" },
    { name: "Lory, routed by segments", ...lory, routing: "segments" },
  ] as const;
  const speeds = await decodingSpeed(timed, { promptLength, tokens: speedTokens, rounds: speedRounds });

  onPart?.("experts left out");
  const sparse = await softToSparse(params, config, corpus, { ...behind, counts });

  // The last token of a window is the only one of its segment.
  const whole = (config.contextLength - promptLength) / config.segmentLength;
  return {
    promptLength,
    dense: ofDense,
    byPrompt,
    bySegments,
    difference: continuationDifference(byPrompt, bySegments),
    gaps: byPrompt.map(({ domain, segmentLossesNats }, d) => ({
      name: domain,
      values: segmentLossesNats.slice(0, whole).map((loss, i) => loss - bySegments[d].segmentLossesNats[i]),
    })),
    drifts: kinds.map(({ name, texts }) => ({ name, ...routingDrift(texts, firstRouted) })),
    speeds,
    sparse,
    denseSize: {
      lossNats: ofDense.reduce((sum, { lossNats }) => sum + lossNats, 0) / ofDense.length,
      weightBytes: promptWeightBytes(dense.config, 0),
    },
  };
}
