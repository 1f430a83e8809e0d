// Shapes: B batch, L context, N units that are routed alike (segments or tokens), D model, E experts.
import type * as tf from "@tensorflow/tfjs-core";
import type { RouterReport, StepLoad } from "./auxiliary";
import { documentPoolFfn } from "./document-pool";
import { expertChoiceInference, expertChoiceTraining } from "./expert-choice";
import type { KeptExperts } from "./kept-experts";
import { loryFfn, type LoryFfnParams } from "./lory-ffn";
import type { MergeMemory } from "./merge";
import { remoeFfn } from "./remoe";
import { mergesExperts, routesPrompts, type RoutingConfig, type RoutingMode } from "./routing-config";
import { segmentAndTokenFfn } from "./segment-and-token";
import type { SegmentRoutingMode } from "./segment-routing";
import { tokenChoiceFfn } from "./token-choice";

/** A layer of experts: a router [D, E] over a bank, and what single modes need beside. */
export type ExpertFfnParams = LoryFfnParams & {
  /** Added to the experts' scores where tokens select them; moved by the load, not by gradients. */
  bias_E?: tf.Tensor;
  /** The router of tokens, [D, E], where `router_DE` is that of segments. */
  tokenRouter_DE?: tf.Tensor;
};

/** What a pass through the model is for. */
export type Pass =
  /** Predicting text: evaluation, and inference without a prompt's merge. */
  | { kind: "evaluation" }
  /** `uniform_BE`: numbers in [0, 1) that say which experts are dropped, where the mode drops any; `merges`: kept without it; `stepLoad`: where it sees a part of a step. */
  | { kind: "training"; uniform_BE?: tf.Tensor2D; merges?: MergeMemory; stepLoad?: StepLoad }
  /**
   * Inference: one routing decision a layer and row, by the mean of the row's own first `promptLength_B` tokens. Where experts are merged,
   * `keep` says how many of them; all of them without it.
   */
  | { kind: "prompt"; promptLength_B: tf.Tensor1D; keep?: KeptExperts }
  /**
   * Inference by segments, of a text whose first `promptLength_B` tokens were given and whose others were written one by one: as `evaluation`,
   * but for a first segment that routes itself, which does so by its tokens of the prompt alone.
   */
  | { kind: "continuation"; promptLength_B: tf.Tensor1D };

/** The layer's output, the routing weights of each unit (N = 1 where a sequence is merged once), and what the router did. */
export type ExpertFfnOutput = { y_BLD: tf.Tensor3D; weights_BNE: tf.Tensor3D; report?: RouterReport };

type ExpertFfn = (params: ExpertFfnParams, x_BLD: tf.Tensor3D, config: RoutingConfig, pass: Pass) => ExpertFfnOutput;

const merged =
  (mode: SegmentRoutingMode): ExpertFfn =>
  (params, x_BLD, { segmentLength, firstSegmentRule, expertDropout }, pass) => {
    if (pass.kind === "prompt") return loryFfn(params, x_BLD, segmentLength, promptRouting(pass));
    const uniform_BE = pass.kind === "training" ? pass.uniform_BE : undefined;
    const dropout = uniform_BE === undefined ? undefined : { uniform_BE, probability: expertDropout };
    const promptLength_B = continuedPrompt(pass);
    return loryFfn(params, x_BLD, segmentLength, {
      mode,
      firstSegmentRule,
      dropout,
      merges: mergesOf(pass),
      promptLength_B,
    });
  };

const mergesOf = (pass: Pass): MergeMemory | undefined => (pass.kind === "training" ? pass.merges : undefined);

const stepLoadOf = (pass: Pass): StepLoad | undefined => (pass.kind === "training" ? pass.stepLoad : undefined);

const promptRouting = ({ promptLength_B, keep }: Pass & { kind: "prompt" }) =>
  ({ mode: "prompt", promptLength_B, keep }) as const;

/** The prompt's lengths where a text is written by segments. */
const continuedPrompt = (pass: Pass): tf.Tensor1D | undefined =>
  pass.kind === "continuation" ? pass.promptLength_B : undefined;

const expertChoice: ExpertFfn = (params, x_BLD, config, pass) =>
  pass.kind === "training"
    ? expertChoiceTraining(params, x_BLD, config)
    : expertChoiceInference(params, x_BLD, config, pass.kind === "evaluation" ? undefined : pass);

const segmentAndToken: ExpertFfn = (params, x_BLD, config, pass) =>
  segmentAndTokenFfn(
    params,
    x_BLD,
    config,
    pass.kind === "prompt"
      ? promptRouting(pass)
      : {
          mode: "causal_segment",
          firstSegmentRule: config.firstSegmentRule,
          merges: mergesOf(pass),
          promptLength_B: continuedPrompt(pass),
        },
    stepLoadOf(pass),
  );

const EXPERT_FFNS = {
  causal_segment: merged("causal_segment"),
  running_mean: merged("running_mean"),
  prefix: merged("prefix"),
  own_segment: merged("own_segment"),
  whole_sequence: merged("whole_sequence"),
  token_choice: (params, x_BLD, config, pass) => tokenChoiceFfn(params, x_BLD, config, { stepLoad: stepLoadOf(pass) }),
  expert_choice: expertChoice,
  remoe: (params, x_BLD, config, pass) => remoeFfn(params, x_BLD, config, stepLoadOf(pass)),
  segment_and_token: segmentAndToken,
  document_pool: (params, x_BLD, config, pass) => documentPoolFfn(params, x_BLD, config, stepLoadOf(pass)),
} satisfies Record<RoutingMode, ExpertFfn>;

/**
 * A layer of experts, in the mode that the configuration names.
 *
 * @param x_BLD the normed input: the router and the experts see the same tensor
 * @throws Error where tokens that are routed one by one are to be routed by a prompt, where segments that route themselves are to be written,
 * and where experts that are not merged are to be left out of a merge
 */
export function expertFfn(
  params: ExpertFfnParams,
  x_BLD: tf.Tensor3D,
  config: RoutingConfig,
  pass: Pass,
): ExpertFfnOutput {
  if (pass.kind === "prompt" && !routesPrompts(config)) {
    throw new Error(
      `routingMode is "${config.routingMode}": tokens are routed one by one, so that a prompt does not route; run the model without one`,
    );
  }
  if (pass.kind === "prompt" && pass.keep !== undefined && !mergesExperts(config.routingMode)) {
    throw new Error(
      `routingMode is "${config.routingMode}": its experts are not merged, so that none can be left out of a merge`,
    );
  }
  return EXPERT_FFNS[config.routingMode](params, x_BLD, config, pass);
}
