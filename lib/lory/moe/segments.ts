// Shapes: B batch, L context, N = ceil(L / T) segments, T tokens a segment, D model.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "../nn";

/** How a sequence is cut. */
export type Segmentation = {
  /** N, segments a sequence. */
  readonly count: number;
  /** T, tokens a full segment: never more than the sequence has. */
  readonly length: number;
  /** Tokens of the last segment, 1 .. T. */
  readonly lastLength: number;
};

/** Cuts `length` tokens into segments of `segmentLength`; the last one takes what is left. */
export function segmentation(length: number, segmentLength: number): Segmentation {
  const tokens = Math.min(segmentLength, length);
  const count = Math.ceil(length / tokens);
  return { count, length: tokens, lastLength: length - (count - 1) * tokens };
}

/** [B, L, D] as [B, N, T, D]; a short last segment is filled up with zeros. */
export function splitSegments(x_BLD: tf.Tensor3D, cut: Segmentation): tf.Tensor4D {
  const [batch, length, dModel] = x_BLD.shape;
  const missing = cut.count * cut.length - length;
  const filled =
    missing === 0
      ? x_BLD
      : tf.pad(x_BLD, [
          [0, 0],
          [0, missing],
          [0, 0],
        ]);
  return tf.reshape(filled, [batch, cut.count, cut.length, dModel]);
}

/** The inverse of `splitSegments`: [B, N, T, D] as [B, L, D], without the filling. */
export function joinSegments(x_BNTD: tf.Tensor4D, length: number): tf.Tensor3D {
  const [batch, count, tokens, dModel] = x_BNTD.shape;
  const joined: tf.Tensor3D = tf.reshape(x_BNTD, [batch, count * tokens, dModel]);
  return count * tokens === length ? joined : tf.slice(joined, [0, 0, 0], [batch, length, dModel]);
}

/** Each segment's values for each of its places, [B, N, Q] to [B, N, T, Q]. */
export function repeatForTokens(values_BNQ: tf.Tensor3D, cut: Segmentation): tf.Tensor4D {
  const [batch, count, size] = values_BNQ.shape;
  return tf.tile(tf.reshape(values_BNQ, [batch, count, 1, size]), [1, 1, cut.length, 1]);
}

/** The mean of each segment's own tokens, [B, N, T, D] to [B, N, D]; filling does not count. */
export function segmentMeans(x_BNTD: tf.Tensor4D, cut: Segmentation): tf.Tensor3D {
  const counts = Array.from({ length: cut.count }, (_, n) => (n === cut.count - 1 ? cut.lastLength : cut.length));
  const scale = (): tf.Tensor | number =>
    cut.lastLength === cut.length
      ? 1 / cut.length
      : tf.tensor3d(
          counts.map((n) => 1 / n),
          [1, cut.count, 1],
        );
  return withGradient<tf.Tensor3D>(
    [x_BNTD],
    ([x]) => tf.mul(tf.sum(x, 2), scale()),
    // The gradient that reaches the filling is cut off by the gradient of the padding.
    (dy_BND) => [tf.tile(tf.expandDims(tf.mul(dy_BND, scale()), 2), [1, 1, cut.length, 1])],
  );
}
