import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "./backend";
import {
  binary,
  bitcastConvert,
  broadcastTo,
  concatenate,
  convert,
  reshape,
  rngBitGenerator,
  sizeOf,
  slice,
  splat,
  unary,
  type Value,
} from "./stablehlo";
import { threefryBits } from "./threefry";

export interface DrawOptions {
  /** An integer from 0 to 2^53 - 1. */
  readonly seed: number;
  /** An integer from 0 to 2^24 - 1. Draws of one seed and different streams are independent. 0 by default. */
  readonly stream?: number;
}

/**
 * Normally distributed f32 numbers (Box and Muller's transform of Threefry bits), drawn where the tensor lives. One seed and stream
 * give the same bits on every device; the normals may differ by an ulp, as logarithms and cosines do.
 * @throws {RangeError} if seed or stream is out of range.
 */
export function normal(
  shape: readonly number[],
  options: DrawOptions & { readonly mean?: number; readonly stdDev?: number },
): tf.Tensor {
  const { mean = 0, stdDev = 1 } = options;
  const half = Math.ceil(sizeOf(shape) / 2);
  return draw(shape, options, half, {
    device: (bits) => {
      const [u, v] = [0, 1].map((i) => unit(slice(bits, [i * half], [(i + 1) * half])));
      const one = broadcastTo(splat(1, "f32"), [half]);
      const radius = unary("sqrt", scale(unary("log", binary("subtract", one, u)), -2));
      const angle = scale(v, 2 * Math.PI);
      const both = concatenate(
        [binary("multiply", radius, unary("cosine", angle)), binary("multiply", radius, unary("sine", angle))],
        0,
      );
      return binary("add", scale(both, stdDev), broadcastTo(splat(mean, "f32"), both.type.shape));
    },
    host: (bits) => {
      const out = new Float32Array(2 * half);
      for (let i = 0; i < half; i++) {
        const radius = Math.sqrt(-2 * Math.log(1 - unitOf(bits[i])));
        const angle = 2 * Math.PI * unitOf(bits[half + i]);
        out[i] = radius * Math.cos(angle) * stdDev + mean;
        out[half + i] = radius * Math.sin(angle) * stdDev + mean;
      }
      return out;
    },
  });
}

/** Uniform f32 numbers in [low, high), drawn where the tensor lives; same bits on every device. Errors as for `normal`. */
export function uniform(
  shape: readonly number[],
  options: DrawOptions & { readonly low?: number; readonly high?: number },
): tf.Tensor {
  const { low = 0, high = 1 } = options;
  const half = Math.ceil(sizeOf(shape) / 2);
  const last = Math.max(below(high), Math.fround(low)); // sums may be rounded up to `high`
  return draw(shape, options, half, {
    device: (bits) => {
      const { shape: all } = bits.type;
      const numbers = binary("add", scale(unit(bits), high - low), broadcastTo(splat(low, "f32"), all));
      return binary("minimum", numbers, broadcastTo(splat(last, "f32"), all));
    },
    host: (bits) => Float32Array.from(bits, (b) => Math.min(Math.fround(unitOf(b) * (high - low) + low), last)),
  });
}

/** The greatest f32 number less than x, none of those next to 0 that processors may take for 0. */
function below(x: number): number {
  const number = new Float32Array([x]);
  if (number[0] === 0) return -(2 ** -126);
  const bits = new Int32Array(number.buffer);
  bits[0] += number[0] > 0 ? -1 : 1;
  return number[0];
}

/** Both forms of a distribution: from `2 * half` random words to as many numbers. */
interface Distribution {
  device(bits: Value): Value;
  host(bits: Uint32Array): Float32Array;
}

function draw(
  shape: readonly number[],
  { seed, stream = 0 }: DrawOptions,
  half: number,
  distribution: Distribution,
): tf.Tensor {
  demandInteger("seed", seed, 53);
  demandInteger("stream", stream, 24);
  const size = sizeOf(shape);
  const backend = tf.backend();
  if (size === 0) return tf.zeros([...shape]);
  if (!(backend instanceof XlaBackend)) {
    const numbers = distribution.host(threefryBits(BigInt(seed), BigInt(stream), 2 * half));
    return tf.tensor(numbers.subarray(0, size), [...shape], "float32");
  }
  return tf.tidy(() => {
    const words = tf.tensor1d(Int32Array.from([seed % 2 ** 32, Math.floor(seed / 2 ** 32), stream]), "int32");
    const bits = rngBitGenerator(stateOf(backend.valueFor(words)), "ui32", [2 * half]);
    const numbers = slice(distribution.device(bits), [0], [size]);
    return tf.engine().makeTensorFromTensorInfo(backend.tensorInfo(reshape(numbers, shape)));
  });
}

function demandInteger(name: string, value: number, bits: number): void {
  const valid = Number.isSafeInteger(value) && value >= 0 && value < 2 ** bits;
  if (!valid) throw new RangeError(`${name} is ${value}: it must be an integer from 0 to 2^${bits} - 1`);
}

/** [key, counter] as ui64 from four 32-bit words; seeds are data, so that a new one compiles nothing. The streams are 2^40 blocks apart. */
function stateOf(words: Value): Value {
  const [seedLow, seedHigh, streamNumber] = [0, 1, 2].map((i) =>
    convert(bitcastConvert(slice(words, [i], [i + 1]), "ui32"), "ui64"),
  );
  const shift = (x: Value, by: number) => binary("shift_left", x, splat(by, "ui64", [1]));
  const key = binary("or", shift(seedHigh, 32), seedLow);
  const counter = shift(streamNumber, 40);
  return concatenate([key, counter], 0);
}

const scale = (x: Value, by: number): Value =>
  binary("multiply", x, broadcastTo(splat(by, x.type.dtype), x.type.shape));

/** 24 random bits as a number in [0, 1). */
const unit = (bits: Value): Value =>
  scale(convert(binary("shift_right_logical", bits, splat(8, "ui32", bits.type.shape)), "f32"), 2 ** -24);
const unitOf = (bits: number): number => (bits >>> 8) * 2 ** -24;
