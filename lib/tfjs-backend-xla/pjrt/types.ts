/**
 * Element types of device arrays: their numbers in PJRT_Buffer_Type, their sizes and the typed array that holds
 * them on the host. JavaScript has no 16-bit floats: `f16` and `bf16` travel as their bits, in a Uint16Array;
 * `c64` travels as pairs (real, imaginary) in a Float32Array.
 */
export type ElementType =
  "pred" | "s8" | "s16" | "s32" | "s64" | "u8" | "u16" | "u32" | "u64" | "f16" | "f32" | "f64" | "bf16" | "c64";

/** What a device array is on the host. */
export type TypedArray =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

interface ElementTypeInfo {
  /** PJRT_Buffer_Type */
  readonly code: number;
  /** Bytes of one element. */
  readonly bytes: number;
  /** Entries of the typed array that one element takes. */
  readonly entries: number;
  /** Name of the host's typed array, as its `Symbol.toStringTag` says it. */
  readonly arrayName: string;
  /** A new typed array, zeroed, of that many entries. */
  readonly allocate: (entries: number) => TypedArray;
}

function element(code: number, allocate: (entries: number) => TypedArray, entries = 1): ElementTypeInfo {
  const sample = allocate(0);
  return { code, bytes: sample.BYTES_PER_ELEMENT * entries, entries, arrayName: sample[Symbol.toStringTag], allocate };
}

/** The element types of PJRT_Buffer_Type that this layer carries. */
export const ELEMENT_TYPES = {
  pred: element(1, (n) => new Uint8Array(n)),
  s8: element(2, (n) => new Int8Array(n)),
  s16: element(3, (n) => new Int16Array(n)),
  s32: element(4, (n) => new Int32Array(n)),
  s64: element(5, (n) => new BigInt64Array(n)),
  u8: element(6, (n) => new Uint8Array(n)),
  u16: element(7, (n) => new Uint16Array(n)),
  u32: element(8, (n) => new Uint32Array(n)),
  u64: element(9, (n) => new BigUint64Array(n)),
  f16: element(10, (n) => new Uint16Array(n)),
  f32: element(11, (n) => new Float32Array(n)),
  f64: element(12, (n) => new Float64Array(n)),
  bf16: element(13, (n) => new Uint16Array(n)),
  c64: element(14, (n) => new Float32Array(n), 2),
} satisfies Record<ElementType, ElementTypeInfo>;

const TYPE_OF_CODE = new Map(
  (Object.keys(ELEMENT_TYPES) as ElementType[]).map((type) => [ELEMENT_TYPES[type].code, type]),
);

/** The element type of a PJRT_Buffer_Type, or undefined for one that this layer does not carry (8-bit floats, tokens). */
export function elementTypeOfCode(code: number): ElementType | undefined {
  return TYPE_OF_CODE.get(code);
}

/** Number of elements of an array: the product of its dimensions; 1 for a scalar. */
export function elementCount(dims: readonly number[]): number {
  let count = 1;
  for (const dim of dims) count *= dim;
  return count;
}
