// Shapes: B batch, L context, N segments, T tokens a segment, P experts a pool, X = B L tokens, E experts, D model.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "../nn";
import type { RouterReport, StepLoad } from "./auxiliary";
import { routerProbabilities } from "./router";
import type { RoutingConfig } from "./routing-config";
import { joinSegments, repeatForTokens, segmentation, splitSegments } from "./segments";
import { selectHighest } from "./selection";
import { tokenChoiceFfn, type SparseOutput, type TokenChoiceConfig, type TokenChoiceParams } from "./token-choice";

/** What a logit outside of the pool is lowered by: its softmax is 0 exactly. */
const OUTSIDE = -1e9;

/**
 * Token choice from a document's pool of experts (EMO, arXiv 2605.06663, made causal): the tokens of a segment choose among the P experts that the text before
 * it gave the highest probabilities, summed over its tokens; those of segment 1 among all. The original's pool comes from the whole
 * document, so that tokens are trained with what they are to predict. Probabilities are those among the experts of the pool.
 */
export function documentPoolFfn(
  params: TokenChoiceParams,
  x_BLD: tf.Tensor3D,
  config: TokenChoiceConfig & Pick<RoutingConfig, "segmentLength" | "expertPoolSize">,
  stepLoad?: StepLoad,
): SparseOutput & { report: RouterReport } {
  return tf.tidy(() => {
    const probs_BLE = routerProbabilities(params.router_DE, x_BLD) as tf.Tensor3D;
    const lowering_BLE = poolLowering(probs_BLE, config.segmentLength, config.expertPoolSize);
    const lowering_XE: tf.Tensor2D = tf.reshape(lowering_BLE, [-1, probs_BLE.shape[2]]);
    return tokenChoiceFfn(params, x_BLD, config, { lowering_XE, stepLoad });
  });
}

/** 0 for the experts of a pool, the P of the highest sums of probabilities [V, E]; `OUTSIDE` for the others. */
export function loweringOutsidePool(sums_VE: tf.Tensor2D, poolSize: number): tf.Tensor2D {
  return tf.tidy(() => tf.mul(tf.sub(1, tf.sum(selectHighest(sums_VE, poolSize), 1)), OUTSIDE));
}

/** 0 for the experts of each token's pool, `OUTSIDE` for the others, [B, L, E]; a constant to gradients. */
function poolLowering(probs_BLE: tf.Tensor3D, segmentLength: number, poolSize: number): tf.Tensor3D {
  const [batch, length, numExperts] = probs_BLE.shape;
  const cut = segmentation(length, segmentLength);
  return withGradient<tf.Tensor3D>(
    [probs_BLE],
    ([probs], save) => {
      save([probs]);
      const perSegment_BNE = tf.sum(splitSegments(probs as tf.Tensor3D, cut), 2);
      const before_BNE = tf.cumsum(perSegment_BNE, 1, true);
      const lowering_VE = loweringOutsidePool(tf.reshape(before_BNE, [batch * cut.count, numExperts]), poolSize);
      const isAfterFirst_1N1 = tf.reshape(
        tf.cast(tf.greater(tf.range(0, cut.count, 1, "int32"), tf.scalar(0, "int32")), "float32"),
        [1, -1, 1],
      );
      const lowering_BNE: tf.Tensor3D = tf.mul(tf.reshape(lowering_VE, before_BNE.shape), isAfterFirst_1N1);
      return joinSegments(repeatForTokens(lowering_BNE, cut), length);
    },
    (_, [probs]) => [tf.zerosLike(probs)],
  );
}
