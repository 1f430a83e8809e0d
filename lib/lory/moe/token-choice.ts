// Shapes: B batch, L context, X = B L tokens, K experts a token, E experts, D model.
import * as tf from "@tensorflow/tfjs-core";
import { loadBalancingLoss, routerZLoss, type RouterReport, type StepLoad } from "./auxiliary";
import { sparseExperts } from "./dispatch";
import type { ExpertParams } from "./merge";
import { routerLogits } from "./router";
import type { RoutingConfig } from "./routing-config";
import { selectHighest } from "./selection";

/** A router [D, E] over a bank of experts, and what is added to an expert's score when experts are selected. */
export type TokenChoiceParams = ExpertParams & { router_DE: tf.Tensor; bias_E?: tf.Tensor };

export type TokenChoiceConfig = Pick<RoutingConfig, "numExpertsPerTok" | "normTopkProb" | "loadBalancingScope">;

/** A layer's output, and the weights of each unit's experts (a token's, or those of all tokens of a segment), 0 for the others, [B, N, E]. */
export type SparseOutput = { y_BLD: tf.Tensor3D; weights_BNE: tf.Tensor3D };

/**
 * Token choice: each token passes the K experts of its highest scores, all of them whatever the load (dropless). The weights are the softmax over
 * the logits of those K (Mixtral), or their shares of the softmax over all experts. Strictly causal: a token is routed by itself.
 *
 * With a bias, the K are those of the highest `softmax + bias`, and the weights are the same without it.
 *
 * @param context.lowering_XE added to the logits: keeps tokens from some experts
 * @param context.stepLoad of the step that the tokens are a part of, see `loadBalancingLoss`
 */
export function tokenChoiceFfn(
  params: TokenChoiceParams,
  x_BLD: tf.Tensor3D,
  config: TokenChoiceConfig,
  { lowering_XE, stepLoad }: { lowering_XE?: tf.Tensor2D; stepLoad?: StepLoad } = {},
): SparseOutput & { report: RouterReport } {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    const x_XD: tf.Tensor2D = tf.reshape(x_BLD, [batch * length, dModel]);
    const lowered = <T extends tf.Tensor>(scores_XE: T): T =>
      lowering_XE === undefined ? scores_XE : tf.add<T>(scores_XE, lowering_XE);
    const logits_XE = lowered(routerLogits(params.router_DE, x_XD) as tf.Tensor2D);
    const probs_XE = tf.softmax(logits_XE);
    const scores_XE = params.bias_E === undefined ? logits_XE : lowered(probs_XE);
    const chosen_XKE = selectHighest(scores_XE, config.numExpertsPerTok, params.bias_E);
    const ofChosen = (values_XE: tf.Tensor2D): tf.Tensor2D =>
      tf.sum(tf.mul(chosen_XKE, tf.expandDims(values_XE, 1)), 2);
    const weights_XK = config.normTopkProb ? tf.softmax(ofChosen(logits_XE)) : ofChosen(probs_XE);
    const y_XD = sparseExperts(params, x_XD, chosen_XKE, weights_XK);
    const weights_XE = tf.sum(tf.mul(chosen_XKE, tf.expandDims(weights_XK, 2)), 1);
    return {
      y_BLD: tf.reshape(y_XD, x_BLD.shape),
      weights_BNE: tf.reshape(weights_XE, [batch, length, -1]),
      report: {
        load_E: tf.sum<tf.Tensor1D>(chosen_XKE, [0, 1]),
        losses: {
          loadBalancing: loadBalancingLoss(chosen_XKE, probs_XE, batch, config.loadBalancingScope, stepLoad),
          routerZ: routerZLoss(logits_XE),
        },
      },
    };
  });
}
