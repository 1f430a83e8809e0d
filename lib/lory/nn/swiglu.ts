// Shapes: F ffn, G = 2 F packed gate and up.
import * as tf from "@tensorflow/tfjs-core";
import { materialize } from "tfjs-backend-xla";
import { withGradient } from "./with-gradient";

/**
 * `silu(gate) * up` of a packed projection (Shazeer 2020).
 *
 * Only the input is saved: the backward pass computes the sigmoid again, which costs less than keeping it.
 *
 * @param gateUp_G [..., 2 F]: the first half of the last axis is the gate, the second half `up`
 * @returns [..., F]
 */
export function swiglu<T extends tf.Tensor>(gateUp_G: T): T {
  return withGradient<T>(
    [gateUp_G],
    ([gateUp], save) => {
      save([gateUp]);
      const [gate, up] = tf.split(gateUp, 2, -1);
      return tf.mul<T>(tf.mul(gate, tf.sigmoid(gate)), up);
    },
    (dy, [gateUp]) => {
      // Seen as a tensor of its own, so that a compiler does not keep the forward pass's sigmoid after all.
      const [gate, up] = tf.split(materialize(gateUp), 2, -1);
      return [tf.concat(gradients(dy, gate, up), -1)];
    },
  );
}

/** `silu(gate) * up` of two products, as `swiglu` is of one. Both and the result are [..., F]. */
export function gatedSilu<T extends tf.Tensor>(gate_F: T, up_F: tf.Tensor): T {
  return withGradient<T>(
    [gate_F, up_F],
    ([gate, up], save) => {
      save([gate, up]);
      return tf.mul<T>(tf.mul(gate, tf.sigmoid(gate)), up);
    },
    (dy, [gate, up]) => gradients(dy, gate, up),
  );
}

/** By gate and up. silu'(g) = s (1 + g (1 - s)) = s + silu(g) (1 - s) */
function gradients(dy: tf.Tensor, gate: tf.Tensor, up: tf.Tensor): tf.Tensor[] {
  const sigmoid = tf.sigmoid(gate);
  const silu = tf.mul(gate, sigmoid);
  const slope = tf.add(sigmoid, tf.mul(silu, tf.sub(1, sigmoid)));
  return [tf.mul(tf.mul(dy, up), slope), tf.mul(dy, silu)];
}
