/** PJRT_NamedValue: options that a client takes, attributes that a plugin gives. */
import { koffi } from "./koffi";
import { addressOf, readInt64s, readPointers, readString } from "./memory";

/** A value of an attribute. */
export type NamedValue = string | number | boolean | number[];

/** PJRT_NamedValue_Type */
const TYPE = { string: 0, int64: 1, int64List: 2, float: 3, bool: 4 };

/** Slots of 8 bytes: size, extensions, name, name's size, type, value, value's size. */
const SLOTS = 7;
const SLOT = { structSize: 0, name: 2, nameSize: 3, type: 4, value: 5, valueSize: 6 };

/**
 * An array of PJRT_NamedValue followed by the texts that it points to, in one piece of memory.
 * Whole numbers travel as int64, others as float.
 */
export function encodeNamedValues(values: Readonly<Record<string, string | number | boolean>>): Uint8Array {
  const entries = Object.entries(values).map(([name, value]) => ({
    name: Buffer.from(name),
    value: encodeValue(value),
  }));
  const structBytes = 8 * SLOTS * entries.length;
  const texts = Buffer.concat(entries.flatMap(({ name, value }) => [name, value.text]));
  const memory = new Uint8Array(structBytes + texts.length);
  memory.set(texts, structBytes);
  const slots = new BigUint64Array(memory.buffer, 0, SLOTS * entries.length);
  let textAddress = addressOf(memory) + BigInt(structBytes);
  entries.forEach(({ name, value }, i) => {
    const set = (slot: number, to: bigint): void => void (slots[SLOTS * i + slot] = to);
    set(SLOT.structSize, BigInt(8 * SLOTS));
    set(SLOT.name, textAddress);
    set(SLOT.nameSize, BigInt(name.length));
    textAddress += BigInt(name.length);
    set(SLOT.type, BigInt(value.type));
    set(SLOT.value, value.type === TYPE.string ? textAddress : value.bits);
    set(SLOT.valueSize, value.type === TYPE.string ? BigInt(value.text.length) : 1n);
    textAddress += BigInt(value.text.length);
  });
  return memory;
}

function encodeValue(value: string | number | boolean): { type: number; bits: bigint; text: Buffer } {
  const text = Buffer.alloc(0);
  if (typeof value === "string") return { type: TYPE.string, bits: 0n, text: Buffer.from(value) };
  if (typeof value === "boolean") return { type: TYPE.bool, bits: BigInt(value), text };
  if (Number.isSafeInteger(value)) return { type: TYPE.int64, bits: BigInt(value), text };
  return { type: TYPE.float, bits: BigInt(new Uint32Array(new Float32Array([value]).buffer)[0]), text };
}

/** Reads `count` consecutive PJRT_NamedValue; those of types unknown here are left out. */
export function decodeNamedValues(address: bigint, count: number): Record<string, NamedValue> {
  const values: Record<string, NamedValue> = {};
  for (let i = 0, at = address; i < count; i++) {
    const slots = readPointers(at, SLOTS);
    const name = readString(slots[SLOT.name], Number(slots[SLOT.nameSize]));
    const value = decodeValue(Number(BigInt.asIntN(32, slots[SLOT.type])), at, slots);
    if (value !== undefined) values[name] = value;
    at += slots[SLOT.structSize];
  }
  return values;
}

function decodeValue(type: number, at: bigint, slots: readonly bigint[]): NamedValue | undefined {
  const value = slots[SLOT.value];
  const size = Number(slots[SLOT.valueSize]);
  if (type === TYPE.string) return readString(value, size);
  if (type === TYPE.int64) return Number(BigInt.asIntN(64, value));
  if (type === TYPE.int64List) return readInt64s(value, size);
  if (type === TYPE.float) return koffi.decode.float(at + BigInt(8 * SLOT.value));
  if (type === TYPE.bool) return (value & 0xffn) !== 0n;
  return undefined;
}
