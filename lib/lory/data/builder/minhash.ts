/**
 * How alike texts are, and signatures that estimate it. A text is the set of its word 5-grams, each as a 32-bit hash; two
 * texts are as alike as the Jaccard similarity of their sets. The share of equal numbers in two MinHash signatures
 * (Broder, "On the resemblance and containment of documents", 1997) estimates it.
 */
import { randomBits } from "../permutation";

/** Words of a shingle. */
const SHINGLE_WORDS = 5;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
/** Odd, so that multiplying by it loses nothing. */
const WORD_FACTOR = 0x9e3779b1;

/** Mixes all bits of a 32-bit number into each other (the finalizer of MurmurHash3). */
export function mix32(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * Hashes of the words of a text: runs of letters and digits, whatever their case; punctuation and spaces only part them.
 * Everything beyond ASCII counts as a letter.
 */
function wordHashes(text: string): number[] {
  const words: number[] = [];
  let hash = FNV_OFFSET;
  let open = false;
  for (let at = 0; at < text.length; at++) {
    let code = text.charCodeAt(at);
    if (code >= 65 && code <= 90) code += 32;
    if ((code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code > 127) {
      hash = Math.imul(hash ^ code, FNV_PRIME);
      open = true;
    } else if (open) {
      words.push(hash);
      hash = FNV_OFFSET;
      open = false;
    }
  }
  if (open) words.push(hash);
  return words;
}

/** The set of a text's shingles, sorted; a text of fewer than five words is one shingle. */
export function shinglesOf(text: string): Uint32Array {
  const words = wordHashes(text);
  const count = Math.max(1, words.length - SHINGLE_WORDS + 1);
  const hashes = new Uint32Array(count);
  for (let first = 0; first < count; first++) {
    let hash = 0;
    const end = Math.min(first + SHINGLE_WORDS, words.length);
    for (let word = first; word < end; word++) hash = (Math.imul(hash, WORD_FACTOR) + words[word]) | 0;
    hashes[first] = mix32(hash);
  }
  hashes.sort();
  let kept = 0;
  for (let at = 0; at < count; at++) if (at === 0 || hashes[at] !== hashes[at - 1]) hashes[kept++] = hashes[at];
  return hashes.subarray(0, kept);
}

/** Jaccard similarity of two sorted sets without repetitions, 0 to 1. */
export function jaccard(a: Uint32Array, b: Uint32Array): number {
  let shared = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) {
      shared++;
      i++;
      j++;
    } else if (a[i] < b[j]) i++;
    else j++;
  }
  return shared / (a.length + b.length - shared);
}

/**
 * A function that makes MinHash signatures of `length` numbers: the least value of each of as many random functions over
 * a set of shingles. The functions are drawn from `seed`.
 */
export function minHasher(length: number, seed: number): (shingles: Uint32Array, signature: Uint32Array) => void {
  const bits = randomBits(seed);
  const factors = Int32Array.from({ length }, () => bits() | 1);
  const offsets = Int32Array.from({ length }, () => bits() | 0);
  return (shingles, signature) => {
    for (let k = 0; k < length; k++) {
      const factor = factors[k];
      const offset = offsets[k];
      let least = 0xffffffff;
      for (const shingle of shingles) {
        // The product's high half depends on all bits of the shingle; its low bits do not.
        const value = (Math.imul(shingle, factor) + offset) >>> 0;
        if (value < least) least = value;
      }
      signature[k] = least;
    }
  };
}
