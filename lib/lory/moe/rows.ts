// Shapes: V rows of a table, S rows taken or put, W width.
import * as tf from "@tensorflow/tfjs-core";
import { withGradient } from "../nn";

/** Rows of a table by number, [V, W] to [S, W]. Its gradient puts them back, adding up what was taken more than once. */
export function takeRows(table_VW: tf.Tensor2D, rows_S: tf.Tensor1D): tf.Tensor2D {
  const [count, width] = table_VW.shape;
  return withGradient<tf.Tensor2D>(
    [table_VW],
    ([table], save) => {
      save([rows_S]);
      return tf.gather(table as tf.Tensor2D, rows_S);
    },
    (dy_SW, [rows]) => [scatter(dy_SW, rows, [count, width])],
  );
}

/** The opposite of `takeRows`: a table of `count` rows that are the sums of those put there, [S, W] to [V, W], 0 where there are none. */
export function putRows(values_SW: tf.Tensor2D, rows_S: tf.Tensor1D, count: number): tf.Tensor2D {
  return withGradient<tf.Tensor2D>(
    [values_SW],
    ([values], save) => {
      save([rows_S]);
      return scatter(values, rows_S, [count, values_SW.shape[1]]);
    },
    (dy_VW, [rows]) => [tf.gather(dy_VW, rows)],
  );
}

function scatter(values_SW: tf.Tensor, rows_S: tf.Tensor, shape: [number, number]): tf.Tensor2D {
  return tf.scatterND(tf.reshape(rows_S, [-1, 1]), values_SW, shape);
}
