import * as tf from "@tensorflow/tfjs-core";

/** 32 mixed bits of a counter (the finalizer of MurmurHash3, applied to a Weyl sequence). */
function bits(key: number, counter: number): number {
  let h = (key ^ Math.imul(counter + 1, 0x9e3779b9)) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Normal numbers drawn on the host by counter (Box-Muller): the same for the same seed and stream on every backend. */
export function hostNormal(
  shape: number[],
  { mean = 0, stdDev = 1, seed, stream = 0 }: { mean?: number; stdDev?: number; seed: number; stream?: number },
): tf.Tensor {
  const key = bits(bits(seed, 0x5eed), stream);
  const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, i) => {
    const radius = Math.sqrt(-2 * Math.log((bits(key, 2 * i) + 1) / 2 ** 32));
    return mean + stdDev * radius * Math.cos((2 * Math.PI * bits(key, 2 * i + 1)) / 2 ** 32);
  });
  return tf.tensor(values, shape);
}
