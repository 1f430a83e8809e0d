// Shapes: L context, K head size, C = K / 2 rotated pairs.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient";

/** Cosines and sines of every position's angles, [L, K / 2] each. */
export type RopeTables = { cos_LC: tf.Tensor2D; sin_LC: tf.Tensor2D };

/**
 * The angles of rotary position embedding: position p turns pair c by `p theta^(-2c / K)` (Su et al. 2021).
 *
 * Only the K / 2 frequencies come from the host, rounded once from float64; the table itself is computed on the device,
 * so that a compiled program holds no large constant.
 */
export function ropeTables(length: number, headSize: number, theta: number): RopeTables {
  const frequencies = Array.from({ length: headSize / 2 }, (_, c) => theta ** ((-2 * c) / headSize));
  return tf.tidy(() => {
    const positions_L1 = tf.reshape(tf.range(0, length, 1, "float32"), [length, 1]);
    const angles_LC = tf.mul<tf.Tensor2D>(positions_L1, tf.tensor2d(frequencies, [1, headSize / 2]));
    return { cos_LC: tf.cos(angles_LC), sin_LC: tf.sin(angles_LC) };
  });
}

/**
 * Rotates queries or keys by their positions, in LLaMA's layout: component c of the first half of a head is paired with
 * component c of its second half ("rotate half").
 *
 * @param x_LK [..., L, K]
 * @param tables for the same L and K
 */
export function rope<T extends tf.Tensor>(x_LK: T, tables: RopeTables): T {
  return withGradient<T>(
    [x_LK],
    ([x], save) => {
      save([tables.cos_LC, tables.sin_LC]);
      return rotate(x as T, tables.cos_LC, tables.sin_LC);
    },
    // A rotation's transpose turns back.
    (dy, [cos_LC, sin_LC]) => [rotate(dy, cos_LC, tf.neg(sin_LC))],
  );
}

function rotate<T extends tf.Tensor>(x_LK: T, cos_LC: tf.Tensor, sin_LC: tf.Tensor): T {
  const [a, b] = tf.split(x_LK, 2, -1);
  const turned = [tf.sub(tf.mul(a, cos_LC), tf.mul(b, sin_LC)), tf.add(tf.mul(b, cos_LC), tf.mul(a, sin_LC))];
  return tf.concat(turned, -1) as T;
}
