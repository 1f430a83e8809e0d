// Shapes: R rows (all leading axes as one), D model, V vocabulary, C chunks, P rows a chunk.
import * as tf from "@tensorflow/tfjs-core";
import { currentPrecision, deviceKind, scan } from "tfjs-backend-xla";
import { crossEntropyNats, rowGradients, rowLosses } from "./cross-entropy";
import { linear } from "./linear";
import { withGradient } from "./with-gradient";

/**
 * The most logits that exist at a time. A loss of more than these is taken in chunks of as many: the gradient computes them a second time,
 * and head and loss take 1.4 to 1.6 times as long on a CPU (`npm run bench -- fused`). In float32 they take 128 MiB. On GPUs in bfloat16 they take 8 GiB, and are computed
 * once: the time is worth more than the memory there.
 */
const MOST_LOGITS = 2 ** 25;
const MOST_LOGITS_ON_GPU_IN_BF16 = 2 ** 32;

const mostLogits = (): number =>
  deviceKind() === "cuda" && currentPrecision() === "bf16" ? MOST_LOGITS_ON_GPU_IN_BF16 : MOST_LOGITS;

/**
 * `crossEntropyNats(x W, targets)`: the head's product and the loss as one, of which no more than 2^25 logits (128 MiB in float32) exist at
 * a time, in the gradient too; on GPUs in the precision `bf16`, no more than 2^32 (8 GiB in bfloat16).
 *
 * @param x_D hidden states, [..., D]
 * @param head_DV the head's weights
 * @param targets int32, the leading shape of the hidden states, values in 0 .. V - 1
 * @returns nats a token, of the shape of `targets`
 */
export function headCrossEntropyNats(x_D: tf.Tensor, head_DV: tf.Tensor, targets: tf.Tensor): tf.Tensor {
  const [, vocabSize] = head_DV.shape;
  const most = mostLogits();
  if (targets.size * vocabSize <= most) return crossEntropyNats(linear(x_D, head_DV), targets);
  return chunkedHeadCrossEntropyNats(x_D, head_DV, targets, Math.max(1, Math.floor(most / vocabSize)));
}

/**
 * `headCrossEntropyNats` in chunks of at most `chunkRows` rows, whatever the number of logits. The gradient computes each chunk's logits
 * again from the saved hidden states.
 */
export function chunkedHeadCrossEntropyNats(
  x_D: tf.Tensor,
  head_DV: tf.Tensor,
  targets: tf.Tensor,
  chunkRows: number,
): tf.Tensor {
  const cut = new Chunks(targets.size, chunkRows);
  return withGradient(
    [x_D, head_DV],
    ([x, head], save) => {
      const step = (none: null, { x: x_PD, targets: targets_P }: { x: tf.Tensor; targets: tf.Tensor }) => {
        const { nats_R1, ...sums } = rowLosses(linear(x_PD, head), targets_P);
        return [none, { nats_R1, ...sums }] as const;
      };
      const xs = { x: cut.split(x, [x.shape[x.rank - 1]]), targets: cut.split(targets, []) };
      const [, { nats_R1, max_R1, logSum_R1 }] = scan(step, null, xs, { name: "cross entropy by chunks" });
      save([x, head, targets, max_R1, logSum_R1]);
      return tf.reshape(cut.join(nats_R1), targets.shape);
    },
    (dy, [x, head, ids, max_CP1, logSum_CP1]) => {
      const step = (dHead_DV: tf.Tensor, chunk: Record<"x" | "targets" | "max" | "logSum" | "dy", tf.Tensor>) => {
        const sums = { max_R1: chunk.max, logSum_R1: chunk.logSum };
        const logits_PV = linear(chunk.x, head) as tf.Tensor2D;
        const dLogits_PV = rowGradients(logits_PV, chunk.targets, sums, chunk.dy);
        const dx_PD = tf.matMul(dLogits_PV, head, false, true);
        return [tf.add(dHead_DV, tf.matMul(chunk.x as tf.Tensor2D, dLogits_PV, true)), dx_PD] as const;
      };
      const xs = {
        x: cut.split(x, [x.shape[x.rank - 1]]),
        targets: cut.split(ids, []),
        max: max_CP1,
        logSum: logSum_CP1,
        dy: cut.split(dy, []), // 0 for padded rows: they change no gradient
      };
      const none_DV = tf.fill(head.shape, 0); // tf.zeros would fill an array on the host, while a program is traced too
      const [dHead_DV, dx_CPD] = scan(step, none_DV, xs, { name: "gradients of cross entropy by chunks" });
      return [tf.reshape(cut.join(dx_CPD), x.shape), dHead_DV];
    },
  );
}

/** Rows cut into chunks as even as can be; what the last one lacks is padded with zeros. */
class Chunks {
  readonly #rows: number;
  readonly #count: number;
  readonly #chunk: number;

  constructor(rows: number, chunkRows: number) {
    this.#rows = rows;
    this.#count = Math.ceil(rows / chunkRows);
    this.#chunk = Math.ceil(rows / this.#count);
  }

  /** A tensor whose leading axes are the rows, as [C, P, ...rest]. */
  split(x: tf.Tensor, rest: number[]): tf.Tensor {
    const none = rest.map((): [number, number] => [0, 0]);
    const padding: [number, number] = [0, this.#count * this.#chunk - this.#rows];
    const padded = tf.pad(tf.reshape(x, [this.#rows, ...rest]), [padding, ...none]);
    return tf.reshape(padded, [this.#count, this.#chunk, ...rest]);
  }

  /** [C, P, ...] to [R, ...]. */
  join(x_CP: tf.Tensor): tf.Tensor {
    const [, , ...rest] = x_CP.shape;
    const padded = tf.reshape(x_CP, [this.#count * this.#chunk, ...rest]);
    return tf.slice(padded, 0, this.#rows);
  }
}
