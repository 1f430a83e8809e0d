import type * as tf from "@tensorflow/tfjs-core";

/** How one dtype of the format lies in a file, and what becomes of it in tfjs. */
export interface Format {
  readonly itemBytes: number;
  readonly dtype: tf.DataType;
  readonly values: (bytes: ArrayBuffer) => Float32Array | Int32Array;
  /** Bytes of values; none for a dtype that is read only. */
  readonly bytes?: (values: Float32Array | Int32Array) => Uint8Array;
}

const bytesOf = (values: Float32Array | Int32Array | Uint16Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** One row for each dtype that is read. Half precision becomes float32, without loss. */
export const FORMATS = {
  F32: { itemBytes: 4, dtype: "float32", values: (bytes) => new Float32Array(bytes), bytes: bytesOf },
  I32: { itemBytes: 4, dtype: "int32", values: (bytes) => new Int32Array(bytes), bytes: bytesOf },
  BF16: {
    itemBytes: 2,
    dtype: "float32",
    values: (bytes) => fromBfloat16(new Uint16Array(bytes)),
    bytes: (values) => bytesOf(toBfloat16(values)),
  },
  F16: { itemBytes: 2, dtype: "float32", values: (bytes) => fromFloat16(new Uint16Array(bytes)) },
} as const satisfies Record<string, Format>;

export type FormatName = keyof typeof FORMATS;

export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];

/** bfloat16 is the upper half of a float32. */
function fromBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

/** Rounds to the nearest, ties to even; what is not a number stays so. */
function toBfloat16(values: Float32Array | Int32Array): Uint16Array {
  const floats = values instanceof Float32Array ? values : Float32Array.from(values);
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const isNaN = (bits[i] & 0x7fffffff) > 0x7f800000;
    halves[i] = isNaN ? (bits[i] >>> 16) | 0x40 : (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
  }
  return halves;
}

/** IEEE 754 binary16: 1 bit sign, 5 bits exponent, 10 bits fraction. */
function fromFloat16(halves: Uint16Array): Float32Array {
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) {
    const [sign, exponent, fraction] = [halves[i] >>> 15, (halves[i] >>> 10) & 31, halves[i] & 1023];
    const size =
      exponent === 31
        ? fraction === 0
          ? Infinity
          : NaN
        : exponent === 0
          ? fraction * 2 ** -24
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    floats[i] = sign === 1 ? -size : size;
  }
  return floats;
}
