import * as tf from "@tensorflow/tfjs-core";

/**
 * How products of matrices are computed; all else (sums, softmax, norms, an optimizer, the tensors themselves) is f32 whatever the policy.
 *
 * - `default`: f32, as fast as the device takes it: CPUs compute in f32, those with Intel AMX large products from three bfloat16 parts of each
 *   factor, which lose nothing of it; NVIDIA's GPUs round the factors to TF32 (10 bits of fraction).
 * - `bf16`: factors rounded to bfloat16 (7 bits of fraction), sums in f32, and results rounded to bfloat16, so that what moves between
 *   products is half as large; what matrix units are fastest at, and what PyTorch's autocast does. Weights stay f32.
 * - `highest`: f32 on every device.
 */
export const PRECISIONS = ["default", "bf16", "highest"] as const;
export type Precision = (typeof PRECISIONS)[number];

/** An operation that gradients under way have recorded. */
type TapeNode = ReturnType<typeof tf.engine>["state"]["activeTape"][number];

let current: Precision = "default";
let hasWarned = false;

/** The policy for what is recorded now. */
export const currentPrecision = (): Precision => current;

/**
 * Runs a function whose contractions (matMul, fused matMul, einsum) are computed by the given policy, and so are those of its gradients,
 * wherever they are computed. An inner policy wins over an outer one. Backends other than `xla` compute in f32, which for `bf16` is said once.
 *
 * @throws {RangeError} for an unknown policy; {TypeError} for an asynchronous function, whose later parts would run outside.
 */
export function precision<T>(policy: Precision, fn: () => T): T {
  if (!PRECISIONS.includes(policy))
    throw new RangeError(`precision is "${String(policy)}": it is one of ${PRECISIONS.join(", ")}`);
  if (tf.getBackend() !== "xla") noteOtherBackend(policy);
  const { state } = tf.engine();
  const tape = state.activeTape as TapeNode[] | null; // none before the first gradient
  const recordedBefore = tape?.length ?? 0;
  const result = within(policy, fn);
  if (result instanceof Promise)
    throw new TypeError("precision takes a function that returns at once: what runs after an await is outside of it");
  if (tape && tape === state.activeTape) for (const node of tape.slice(recordedBefore)) keepPolicy(node, policy);
  return result;
}

function within<T>(policy: Precision, fn: () => T): T {
  const outer = current;
  current = policy;
  try {
    return fn();
  } finally {
    current = outer;
  }
}

/** Has the gradients of a recorded operation computed by its own policy: backpropagation runs later, outside of `precision`. */
function keepPolicy(node: TapeNode, policy: Precision): void {
  const { gradient } = node;
  if (!gradient) return;
  node.gradient = (dys) => {
    const ofInputs = within(policy, () => gradient(dys));
    return Object.fromEntries(Object.entries(ofInputs).map(([name, compute]) => [name, () => within(policy, compute)]));
  };
}

function noteOtherBackend(policy: Precision): void {
  if (policy !== "bf16" || hasWarned) return;
  hasWarned = true;
  console.warn(`precision "${policy}" is a policy of the backend xla: ${tf.getBackend()} computes in f32`);
}
