// Shapes: B batch, L context, X = B L tokens, E experts, D model.
import * as tf from "@tensorflow/tfjs-core";
import { mergedFfn, withGradient } from "../nn";
import type { RouterReport, StepLoad } from "./auxiliary";
import type { ExpertParams } from "./merge";
import { routerLogits } from "./router";
import type { RoutingConfig } from "./routing-config";
import type { SparseOutput } from "./token-choice";

/**
 * ReMoE (Wang et al. 2025, arXiv 2412.14711): each expert's weight is `relu` of its logit, so that a token has as many experts as have a positive one,
 * and gradients need no selection. Strictly causal. An L1 penalty, whose coefficient follows the sparsity that is asked for, keeps them few.
 *
 * How many experts a token has depends on data, so that every expert is computed for every token here: E networks where K are counted.
 */
export function remoeFfn(
  params: ExpertParams & { router_DE: tf.Tensor },
  x_BLD: tf.Tensor3D,
  { numExpertsPerTok }: Pick<RoutingConfig, "numExpertsPerTok">,
  stepLoad?: StepLoad,
): SparseOutput & { report: RouterReport } {
  return tf.tidy(() => {
    const [batch, length, dModel] = x_BLD.shape;
    const x_XD: tf.Tensor2D = tf.reshape(x_BLD, [batch * length, dModel]);
    const gates_XE = tf.relu(routerLogits(params.router_DE, x_XD)) as tf.Tensor2D;
    const numExperts = gates_XE.shape[1];
    const x_EXD = tf.tile(tf.expandDims(x_XD, 0), [numExperts, 1, 1]) as tf.Tensor3D;
    const y_EXD = mergedFfn({ gateUp_RDG: params.gateUp_EDG, down_RFD: params.down_EFD }, x_EXD);
    const y_XD = tf.sum(tf.mul(y_EXD, tf.expandDims(tf.transpose(gates_XE), 2)), 0);
    return {
      y_BLD: tf.reshape(y_XD, x_BLD.shape),
      weights_BNE: tf.reshape(gates_XE, [batch, length, numExperts]),
      report: gateReport(gates_XE, numExpertsPerTok, stepLoad),
    };
  });
}

/**
 * The load-balanced penalty `mean_x sum_e f_e gate[x, e]`, f_e = E / (K X) times the tokens that expert e is active for: 1 where
 * load and sparsity are as asked for. Its gradient is that of the gates. Over a part of a step, f is that of the whole.
 */
function gateReport(gates_XE: tf.Tensor2D, perToken: number, stepLoad?: StepLoad): RouterReport {
  const [tokens, numExperts] = gates_XE.shape;
  const isActive_XE = withGradient(
    [gates_XE],
    ([gates], save) => {
      save([gates]);
      return tf.cast(tf.greater(gates, 0), "float32");
    },
    (_, [gates]) => [tf.zerosLike(gates)],
  );
  const active_E = tf.sum<tf.Tensor1D>(isActive_XE, 0);
  const { load_E, parts } = stepLoad ?? { load_E: active_E, parts: 1 };
  const factor_E = tf.mul(load_E, numExperts / (perToken * parts * tokens));
  const total = tf.sum<tf.Scalar>(active_E);
  return {
    load_E: active_E,
    activeExperts: tf.div<tf.Scalar>(total, tokens),
    losses: { activationL1: tf.mul<tf.Scalar>(tf.sum(tf.mul(gates_XE, factor_E)), 1 / tokens) },
  };
}

/**
 * The coefficient of the penalty after a step: `coefficient multiplier^sign(target - sparsity)`, so that it rises while tokens have more than
 * K experts and falls while they have less.
 *
 * @param activeExperts of a token, on average
 */
export function adaptedL1(
  coefficient: tf.Scalar,
  activeExperts: tf.Scalar,
  { numExpertsPerTok, l1CoefMultiplier }: Pick<RoutingConfig, "numExpertsPerTok" | "l1CoefMultiplier">,
): tf.Scalar {
  return tf.tidy(() => {
    const direction = tf.sign(tf.sub(activeExperts, numExpertsPerTok));
    return tf.mul(coefficient, tf.exp(tf.mul(direction, Math.log(l1CoefMultiplier))));
  });
}
