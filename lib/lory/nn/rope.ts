// Shapes: L context, K head size, C = K / 2 rotated pairs.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "./with-gradient";

/** Cosines and sines of every position's angles, [L, K / 2] each, or of another shape that fits to the heads' [B, H, L, K / 2]. */
export type RopeTables = { cos_LC: tf.Tensor; sin_LC: tf.Tensor };

/**
 * The angles of rotary position embedding: position p turns pair c by `p theta^(-2c / K)` (Su et al. 2021).
 *
 * Computed on the host, in float64, once for each trace: computed on the device, a compiler fuses the sines and cosines
 * into every rotation and evaluates them anew for each sequence, head and layer.
 */
export function ropeTables(length: number, headSize: number, theta: number): RopeTables {
  const pairs = headSize / 2;
  const table = (of: (angle: number) => number): tf.Tensor2D => {
    const values = Float32Array.from({ length: length * pairs }, (_, i) => {
      const [position, pair] = [Math.floor(i / pairs), i % pairs];
      return of(position * theta ** ((-2 * pair) / headSize));
    });
    return tf.tensor2d(values, [length, pairs]);
  };
  return { cos_LC: table(Math.cos), sin_LC: table(Math.sin) };
}

/** The rows of the tables for a position of each sequence, as `rope` takes them for heads [B, H, 1, K]. */
export function ropeTablesAt(tables: RopeTables, position_B: tf.Tensor1D): RopeTables {
  const rows = (table_LC: tf.Tensor): tf.Tensor =>
    tf.reshape(tf.gather(table_LC, position_B), [-1, 1, 1, table_LC.shape[1]!]);
  return tf.tidy(() => ({ cos_LC: rows(tables.cos_LC), sin_LC: rows(tables.sin_LC) }));
}

/**
 * Rotates queries or keys by their positions, in LLaMA's layout: component c of the first half of a head is paired with
 * component c of its second half ("rotate half").
 *
 * @param x_LK [..., L, K]
 * @param tables for the same L and K, or of a position of each sequence, see `ropeTablesAt`
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
