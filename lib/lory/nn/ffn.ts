// Shapes: R rows (sequences or segments), T tokens, D model, F ffn, G = 2 F packed gate and up.
import * as tf from "@tensorflow/tfjs-core";
import { linear } from "./linear";
import { swiglu } from "./swiglu";

/** One SwiGLU network: `gateUp_DG` [D, 2 F] holds gate and up side by side, `down_FD` [F, D]. */
export type DenseFfnParams = { gateUp_DG: tf.Tensor; down_FD: tf.Tensor };

/** One SwiGLU network for each row: [R, D, 2 F] and [R, F, D]. */
export type MergedFfnParams = { gateUp_RDG: tf.Tensor; down_RFD: tf.Tensor };

/** `swiglu(x W_gateUp) W_down` on activations [..., D]. */
export function denseFfn(params: DenseFfnParams, x_D: tf.Tensor): tf.Tensor {
  return tf.tidy(() => linear(swiglu(linear(x_D, params.gateUp_DG)), params.down_FD));
}

/** Each row r of activations [R, T, D] through its own network. */
export function mergedFfn(params: MergedFfnParams, x_RTD: tf.Tensor3D): tf.Tensor3D {
  return tf.tidy(() => {
    const hidden_RTF = swiglu(tf.matMul(x_RTD, params.gateUp_RDG as tf.Tensor3D));
    return tf.matMul(hidden_RTF, params.down_RFD);
  });
}
