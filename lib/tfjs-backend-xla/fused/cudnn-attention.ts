// Shapes: B batch, H heads, L context, K head size.
import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import { currentPrecision } from "../precision";
import { convert, customCall, rowMajor, type TensorType, type Value } from "../stablehlo";
import { cudnnAttentionConfig, cudnnTarget, type CudnnAttentionShape, type CudnnPass } from "./cudnn-config";

/** What queries, keys and values are rounded to; sums and the softmax are f32. */
export type CudnnAttentionType = CudnnAttentionShape["type"];

export interface CudnnAttentionOptions {
  /** What queries, keys and values are rounded to, and with them the result and the gradients, which are f32 again; bf16. */
  readonly type?: CudnnAttentionType;
  /**
   * f32 [B or 1, H or 1, L, L], added to the scaled scores beside hiding what lies ahead, rounded as queries are. It is held as a whole, and has no
   * gradient. To hide a key, add `CUDNN_MASKED`.
   */
  readonly bias?: tf.Tensor4D;
}

/** As a bias, leaves nothing of a weight. JAX takes it for bf16: cuDNN subtracts such numbers from one another, wrongly if they are larger. */
export const CUDNN_MASKED = -(2 ** 41);

/**
 * [B, H, L, K] with all heads of a position side by side, as a projection leaves them: what lies around the call moves no data to bring heads
 * together. JAX has cuDNN read and write so too.
 */
const POSITIONS_OUTSIDE = [3, 1, 2, 0];

/** Of each pass without a bias. */
const OPERANDS: Readonly<Record<CudnnPass, number>> = { forward: 3, backward: 6 };

/** The widest heads that all of cuDNN's fused kernels take, and what their size must be a multiple of. */
const MOST_HEAD_SIZE = 128;
const HEAD_SIZE_STEP = 8;

/**
 * Whether `cudnnAttention` can compute attention of this shape where computing happens now, and rounding to bfloat16 is asked for: the
 * backend is `xla` on a CUDA device, the precision `bf16`, the program not deterministic, the length even and the head size a multiple of 8
 * up to 128.
 */
export function suitsCudnnAttention([, , length, headSize]: readonly number[]): boolean {
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend) || backend.device.kind !== "cuda" || backend.device.deterministic) return false;
  return currentPrecision() === "bf16" && isTaken(length, headSize);
}

const isTaken = (length: number, headSize: number): boolean =>
  length > 0 && length % 2 === 0 && headSize > 0 && headSize <= MOST_HEAD_SIZE && headSize % HEAD_SIZE_STEP === 0;

/**
 * Causal attention `softmax(q k^T / sqrt(K)) v` by cuDNN's fused kernels, which hold no scores: memory grows linearly with L. For the backend
 * `xla` on a CUDA device; elsewhere the program does not compile. The gradient is cuDNN's too; it cannot be differentiated again.
 *
 * @param q queries, f32 [B, H, L, K]; keys and values are of the same shape
 * @throws Error if the backend is not `xla`, the program is deterministic, the shapes differ, the length is odd, the head size is no multiple of
 * 8 up to 128, or the bias is of another shape
 */
export function cudnnAttention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  { type = "bf16", bias }: CudnnAttentionOptions = {},
): tf.Tensor4D {
  const backend = tf.backend();
  if (!(backend instanceof XlaBackend)) throw new Error("cuDNN's attention is computed by the backend xla alone");
  // XLA of JAX 0.11.2 compiles such a program, and ends the process when it runs.
  if (backend.device.deterministic) throw new Error("cuDNN's attention cannot be part of a deterministic program");
  const shape = checkedShape([q, k, v], type);
  if (bias) checkBias(bias, shape);
  const rounded = (tensor: tf.Tensor): Value => convert(backend.valueFor(tensor), type);
  const toTensor = (value: Value): tf.Tensor =>
    tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(convert(value, "f32")));
  const attend = tf.customGrad<tf.Tensor4D>((...args) => {
    const inputs = args.slice(0, 3) as tf.Tensor[];
    const save = args[3] as (tensors: tf.Tensor[]) => void;
    const biases = bias ? [bias] : [];
    const [out, logSums] = attentionCall("forward", [...inputs, ...biases].map(rounded), shape).map(toTensor);
    save([...inputs, out, logSums, ...biases]);
    return {
      value: out as tf.Tensor4D,
      gradFunc: (dOut: tf.Tensor4D, saved: tf.Tensor[]) => {
        const [savedQ, savedK, savedV, savedOut] = saved.slice(0, 4).map(rounded);
        const sums = backend.valueFor(saved[4]);
        const operands = [savedQ, savedK, savedV, sums, rounded(dOut), ...saved.slice(5).map(rounded), savedOut];
        return attentionCall("backward", operands, shape).map(toTensor);
      },
    };
  });
  return attend(q, k, v);
}

/**
 * One of cuDNN's passes. Forward: from q, k, v and, where there is one, the bias to the result and, [B, H, L] in f32, the logarithms of the softmax's
 * sums. Backward: from q, k, v, these logarithms, the gradient of the result, the bias and the result to the gradients of q, k and v.
 */
export function attentionCall(pass: CudnnPass, operands: readonly Value[], shape: CudnnAttentionShape): Value[] {
  const { batch, heads, length, headSize, type } = shape;
  const each: TensorType = { dtype: type, shape: [batch, heads, length, headSize] };
  const logSums: TensorType = { dtype: "f32", shape: [batch, heads, length] };
  const workspace: TensorType = { dtype: "ui8", shape: [0] }; // XLA gives it the size that cuDNN asks for
  const types = pass === "forward" ? [each, logSums] : [each, each, each];
  const config = cudnnAttentionConfig(pass, shape);
  const layoutOf = (tensor: TensorType): readonly number[] =>
    tf.util.arraysEqual(tensor.shape as number[], each.shape as number[]) ? POSITIONS_OUTSIDE : rowMajor(tensor);
  const target = cudnnTarget(pass, operands.length > OPERANDS[pass]);
  return customCall(target, operands, [...types, workspace], config, layoutOf).slice(0, types.length);
}

function checkedShape(tensors: readonly tf.Tensor[], type: CudnnAttentionType): CudnnAttentionShape {
  const [shape, ...others] = tensors.map((tensor) => tensor.shape);
  const texts = tensors.map((tensor) => `${tensor.dtype} [${tensor.shape.join(", ")}]`).join(", ");
  const areAlike = others.every((other) => tf.util.arraysEqual(other, shape));
  if (shape.length !== 4 || !areAlike || tensors.some(({ dtype }) => dtype !== "float32")) {
    throw new Error(`queries, keys and values are ${texts}: expected three float32 tensors of one shape [B, H, L, K]`);
  }
  const [batch, heads, length, headSize] = shape;
  if (!isTaken(length, headSize)) {
    throw new Error(
      `length ${length} and head size ${headSize}: cuDNN takes even lengths, and head sizes that are multiples of ${HEAD_SIZE_STEP} up to ${MOST_HEAD_SIZE}`,
    );
  }
  return { batch, heads, length, headSize, type };
}

function checkBias({ dtype, shape }: tf.Tensor, { batch, heads, length }: CudnnAttentionShape): void {
  const [ofBatch, ofHeads, ...scores] = shape;
  const isTaken = (size: number, whole: number): boolean => size === 1 || size === whole;
  const fits = isTaken(ofBatch, batch) && isTaken(ofHeads, heads) && tf.util.arraysEqual(scores, [length, length]);
  if (dtype !== "float32" || !fits) {
    throw new Error(
      `the bias is ${dtype} [${shape.join(", ")}]: expected float32 [${batch} or 1, ${heads} or 1, ${length}, ${length}]`,
    );
  }
}
