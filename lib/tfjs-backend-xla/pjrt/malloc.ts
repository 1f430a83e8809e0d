import { koffi, reserveStacks } from "./koffi";

const GLIBC = "libc.so.6";

/** mallopt(3): parameters and the values that keep memory. */
const MMAP_MAX = { parameter: -4, value: 0 };
const TRIM_THRESHOLD = { parameter: -1, value: -1 };
const TOP_PAD = { parameter: -2, value: 64 * 2 ** 20 };

/**
 * Lets the C library keep memory that programs free, instead of giving it back to the system. What computes kernel by
 * kernel frees tensors of megabytes and asks for them again all the time; each time, the system would clear the pages anew. The process
 * then stays as large as it ever was. Nothing happens where the C library is not glibc.
 *
 * @returns whether the C library took the settings
 */
export function keepFreedMemory(): boolean {
  if (process.platform !== "linux") return false;
  reserveStacks();
  let mallopt: (parameter: number, value: number) => number;
  try {
    mallopt = koffi.load(GLIBC).func("int mallopt(int parameter, int value)") as typeof mallopt;
  } catch {
    return false; // another C library
  }
  return [MMAP_MAX, TRIM_THRESHOLD, TOP_PAD].every(({ parameter, value }) => mallopt(parameter, value) === 1);
}
