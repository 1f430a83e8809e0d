/**
 * C structs as rows of 8-byte slots, and reads of native memory.
 *
 * Every struct of the PJRT C API is a size, a pointer to extensions, then fields that each begin at a multiple of 8
 * bytes on 64-bit platforms: an `int` or `bool` is always followed by padding. So a BigUint64Array is such a struct,
 * and one call needs no conversion by the foreign function interface: the array's address is the argument.
 */
import { koffi } from "./koffi";

/** What a slot can be set to: numbers (two's complement), booleans, an address, or memory whose address is meant. */
export type SlotValue = bigint | number | boolean | ArrayBufferView | Struct<string> | null;

/** struct_size and extension_start, which open every struct. */
const HEADER_SLOTS = 2;

/**
 * Zeroed slots behind the last field that is known here. Later minor versions append fields whose zero means "as
 * before", and a plugin refuses a struct that is shorter than its own.
 */
const SPARE_SLOTS = 8;

/** Address of memory owned by JavaScript; it stays valid as long as the array does. 0 for an empty array. */
export function addressOf(memory: ArrayBufferView): bigint {
  return memory.byteLength === 0 ? 0n : koffi.address(memory);
}

/** One struct in memory that native code can be given, with fields by name. Keeps alive what its fields point to. */
export class Struct<Field extends string> {
  readonly slots: BigUint64Array;
  readonly address: bigint;
  readonly #index = new Map<Field, number>();
  readonly #held = new Map<Field, ArrayBufferView | Struct<string>>();

  constructor(fields: readonly Field[], values: Partial<Record<Field, SlotValue>> = {}) {
    fields.forEach((field, i) => this.#index.set(field, HEADER_SLOTS + i));
    this.slots = new BigUint64Array(HEADER_SLOTS + fields.length + SPARE_SLOTS);
    this.slots[0] = BigInt(this.slots.byteLength);
    this.address = addressOf(this.slots);
    for (const field of fields) {
      const value = values[field];
      if (value !== undefined) this.set(field, value);
    }
  }

  set(field: Field, value: SlotValue): void {
    const slot = this.#slot(field);
    if (typeof value === "bigint") {
      this.slots[slot] = value;
    } else if (typeof value === "number" || typeof value === "boolean") {
      this.slots[slot] = BigInt(value);
    } else if (value === null) {
      this.#held.delete(field);
      this.slots[slot] = 0n;
    } else {
      this.#held.set(field, value);
      this.slots[slot] = value instanceof Struct ? value.address : addressOf(value);
    }
  }

  /** The slot as an address or a handle. */
  pointer(field: Field): bigint {
    return this.slots[this.#slot(field)];
  }

  /** The slot as a signed 64-bit integer, or a size. */
  integer(field: Field): number {
    return Number(BigInt.asIntN(64, this.slots[this.#slot(field)]));
  }

  /** The slot as a C `int`. */
  int(field: Field): number {
    return Number(BigInt.asIntN(32, this.slots[this.#slot(field)]));
  }

  /** The slot as a C `bool`. */
  bool(field: Field): boolean {
    return (this.slots[this.#slot(field)] & 0xffn) !== 0n;
  }

  #slot(field: Field): number {
    const slot = this.#index.get(field);
    if (slot === undefined) throw new Error(`no field ${field} in this struct`);
    return slot;
  }
}

/** Text of `size` bytes at `address`. */
export function readString(address: bigint, size: number): string {
  return size === 0 ? "" : koffi.decode.string(address, size);
}

/** A copy of `size` bytes at `address`. */
export function readBytes(address: bigint, size: number): Buffer {
  return size === 0 ? Buffer.alloc(0) : Buffer.from(new Uint8Array(koffi.view(address, size)));
}

/** `count` consecutive pointers or sizes at `address`. */
export function readPointers(address: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => BigInt(koffi.decode.uint64(address + BigInt(8 * i))));
}

/** `count` consecutive `int64_t` at `address`. */
export function readInt64s(address: bigint, count: number): number[] {
  return Array.from({ length: count }, (_, i) => Number(koffi.decode.int64(address + BigInt(8 * i))));
}

/** `count` consecutive `int` at `address`. */
export function readInts(address: bigint, count: number): number[] {
  return Array.from({ length: count }, (_, i) => koffi.decode.int(address + BigInt(4 * i)));
}
