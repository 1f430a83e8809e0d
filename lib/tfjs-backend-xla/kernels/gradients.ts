import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-layers"; // tfjs-core's build for Node registers no gradients; this package does

/**
 * Replaces the gradients of Sum and Mean: tfjs's own build an array of ones on the host at each call, which costs more than all else
 * in the trace of a deep model. The gradient is spread over the axes that were reduced.
 */
export function registerGradients(): void {
  tf.registerGradient({
    kernelName: "Sum",
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => ({ x: () => spread(dy as tf.Tensor, x, attrs.axis, 1) }),
  });
  tf.registerGradient({
    kernelName: "Mean",
    inputsToSave: ["x"],
    gradFunc: (dy, [x], attrs) => {
      const axes = tf.util.parseAxisParam((attrs.axis ?? null) as number | number[], x.shape);
      const count = axes.reduce((n, axis) => n * x.shape[axis], 1);
      return { x: () => spread(dy as tf.Tensor, x, axes, 1 / count) };
    },
  });
}

/** `dy`, scaled, over the axes of x that vanished. */
function spread(dy: tf.Tensor, x: tf.Tensor, axis: unknown, scale: number): tf.Tensor {
  const axes = tf.util.parseAxisParam((axis ?? null) as number | number[], x.shape);
  const kept = x.shape.map((n, i) => (axes.includes(i) ? 1 : n));
  const scaled = scale === 1 ? dy : tf.mul(dy, scale);
  return tf.broadcastTo(tf.reshape(scaled, kept), x.shape);
}
