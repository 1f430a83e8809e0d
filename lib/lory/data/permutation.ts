/**
 * Seeded permutations, the same on every machine.
 *
 * The generator is xoshiro128** (Blackman and Vigna, "Scrambled linear pseudorandom number generators", 2021), its
 * four words of state drawn with splitmix32 from the seed and the stream.
 */

/** A source of uniform 32-bit unsigned integers. */
export type RandomBits = () => number;

const rotateLeft = (x: number, bits: number) => (x << bits) | (x >>> (32 - bits));

function splitmix32(state: number): RandomBits {
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}

/** xoshiro128** from four words of state, not all zero. */
export function xoshiro128(a: number, b: number, c: number, d: number): RandomBits {
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
}

/** Uniform 32-bit integers for a seed (an integer below 2^53); streams of one seed are independent of each other. */
export function randomBits(seed: number, stream = 0): RandomBits {
  const low = splitmix32(seed | 0);
  const high = splitmix32(Math.floor(seed / 2 ** 32) | 0);
  const other = splitmix32(stream | 0);
  const mixed = splitmix32(low() ^ rotateLeft(high(), 11) ^ rotateLeft(other(), 22));
  return xoshiro128(mixed(), mixed(), mixed(), mixed() | 1);
}

/** A uniform integer from 0 to `bound - 1`, without bias: draws above the last multiple of `bound` are rejected. */
export function below(bound: number, bits: RandomBits): number {
  const limit = 2 ** 32 - (2 ** 32 % bound);
  let draw = bits();
  while (draw >= limit) draw = bits();
  return draw % bound;
}

/** Shuffles in place (Fisher and Yates). */
export function shuffle(items: Uint32Array, bits: RandomBits): Uint32Array {
  for (let i = items.length - 1; i > 0; i--) {
    const j = below(i + 1, bits);
    const item = items[i];
    items[i] = items[j];
    items[j] = item;
  }
  return items;
}

/** The numbers 0 to `length - 1` in an order that `seed` and `stream` determine. */
export function permutation(length: number, seed: number, stream = 0): Uint32Array {
  return shuffle(
    Uint32Array.from({ length }, (_, i) => i),
    randomBits(seed, stream),
  );
}
