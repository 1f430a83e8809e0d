/** Streams of one key are this many bits of the block counter apart. */
const STREAM_SHIFT = 40n;
const ROTATIONS = [
  [13, 15, 26, 6],
  [17, 29, 16, 24],
] as const;
const PARITY = 0x1bd11bda;

/**
 * Random words of Threefry-2x32 with 20 rounds (Salmon et al. 2011), in the order in which XLA's RngBitGenerator gives a vector of even
 * length: block i encrypts the counter `start + i`, and its two words are elements 2i and 2i + 1.
 * @param count an even number of words.
 */
export function threefryBits(key: bigint, stream: bigint, count: number): Uint32Array {
  const words = new Uint32Array(count);
  const [k0, k1] = [Number(key & 0xffffffffn), Number(key >> 32n)];
  const keys = [k0, k1, (PARITY ^ k0 ^ k1) >>> 0];
  const start = (stream << STREAM_SHIFT) & 0xffffffffffffffffn;
  for (let i = 0; i < count / 2; i++) {
    const counter = start + BigInt(i);
    let x0 = (Number(counter & 0xffffffffn) + keys[0]) >>> 0;
    let x1 = (Number(counter >> 32n) + keys[1]) >>> 0;
    for (let group = 0; group < 5; group++) {
      for (const rotation of ROTATIONS[group % 2]) {
        x0 = (x0 + x1) >>> 0;
        x1 = (((x1 << rotation) | (x1 >>> (32 - rotation))) ^ x0) >>> 0;
      }
      x0 = (x0 + keys[(group + 1) % 3]) >>> 0;
      x1 = (x1 + keys[(group + 2) % 3] + group + 1) >>> 0;
    }
    words[2 * i] = x0;
    words[2 * i + 1] = x1;
  }
  return words;
}
