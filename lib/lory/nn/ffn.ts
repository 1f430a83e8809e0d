// Shapes: R rows (sequences or segments), T tokens, D model, F ffn, G = 2 F packed gate and up.
import * as tf from "@tensorflow/tfjs-core";
import { deviceKind } from "tfjs-backend-xla";
import { linear } from "./linear";
import { packedLinear } from "./packed-linear";
import { gatedSilu, swiglu } from "./swiglu";

/** One SwiGLU network: `gateUp_DG` [D, 2 F] holds gate and up side by side, `down_FD` [F, D]. */
export type DenseFfnParams = { gateUp_DG: tf.Tensor; down_FD: tf.Tensor };

/** One SwiGLU network for each row: [R, D, 2 F] and [R, F, D]. */
export type MergedFfnParams = { gateUp_RDG: tf.Tensor; down_RFD: tf.Tensor };

/** `swiglu(x W_gateUp) W_down` on activations [..., D]. */
export function denseFfn(params: DenseFfnParams, x_D: tf.Tensor): tf.Tensor {
  return tf.tidy(() => linear(hiddenUnits(params, x_D), params.down_FD));
}

/** [..., F]. On GPUs gate and up are products of their own: see `packedLinear`. */
function hiddenUnits({ gateUp_DG }: DenseFfnParams, x_D: tf.Tensor): tf.Tensor {
  if (deviceKind() !== "cuda") return swiglu(linear(x_D, gateUp_DG));
  const [gate_F, up_F] = packedLinear(x_D, gateUp_DG, 2);
  return gatedSilu(gate_F, up_F);
}

/** Each row r of activations [R, T, D] through its own network. */
export function mergedFfn(params: MergedFfnParams, x_RTD: tf.Tensor3D): tf.Tensor3D {
  return tf.tidy(() => {
    const hidden_RTF = swiglu(tf.matMul(x_RTD, params.gateUp_RDG as tf.Tensor3D));
    return tf.matMul(hidden_RTF, params.down_RFD);
  });
}
