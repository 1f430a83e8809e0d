/**
 * Finds near duplicates among documents that come one after the other: MinHash signatures of whole documents are cut into
 * bands, documents that share a band are candidates (locality-sensitive hashing; Leskovec, Rajaraman and Ullman, "Mining
 * of Massive Datasets", chapter 3), and candidates are compared exactly.
 */
import { jaccard, minHasher, mix32, shinglesOf } from "./minhash";

/** Numbers of a band: a pair of similarity s shares a band with probability s^4. */
const BAND_ROWS = 4;
/** A pair of similarity 0.7 is found with probability 1 - (1 - 0.7^4)^24 = 0.9986, one of 0.8 with 0.999997. */
const BANDS = 24;
/** Candidates of a document that are compared at most, so that the work stays linear where very many resemble each other. */
const MOST_CANDIDATES = 48;
const FIRST_CAPACITY = 1 << 12;
const NONE = -1;

/** A document that another one resembles. */
export interface Likeness {
  /** As it was given to `add`. */
  document: number;
  /** Exact Jaccard similarity of the two sets of word 5-grams. */
  similarity: number;
}

export interface NearDuplicates {
  /** A document added before that a text resembles more than allowed; undefined when none was found. */
  find(text: string): Likeness | undefined;
  /** Remembers a text as a document, whose number later calls of `find` may return. */
  add(text: string, document: number): void;
}

/**
 * @param maxSimilarity texts that resemble each other more are near duplicates
 * @param read the text of a document that was added: texts are not kept in memory, about 300 bytes a document are
 * @param seed of the random functions; another seed misses other pairs
 */
export function nearDuplicates(maxSimilarity: number, read: (document: number) => string, seed = 0): NearDuplicates {
  const sign = minHasher(BANDS * BAND_ROWS, seed);
  const signature = new Uint32Array(BANDS * BAND_ROWS);
  const bands = Array.from({ length: BANDS }, () => band());
  let documents = new Int32Array(FIRST_CAPACITY);
  let count = 0;
  /** The text that was signed last, since most are looked for and then added. */
  let last: { text: string; shingles: Uint32Array } | undefined;

  const signed = (text: string): Uint32Array => {
    if (last?.text !== text) {
      last = { text, shingles: shinglesOf(text) };
      sign(last.shingles, signature);
    }
    return last.shingles;
  };
  const keyOf = (index: number) => {
    let key = index;
    for (let row = 0; row < BAND_ROWS; row++) key = mix32(key ^ signature[index * BAND_ROWS + row]);
    return key;
  };
  return {
    find: (text) => {
      const shingles = signed(text);
      const seen = new Set<number>();
      for (let index = 0; index < BANDS; index++) {
        for (const entry of bands[index].entries(keyOf(index))) {
          if (seen.has(entry)) continue;
          seen.add(entry);
          const similarity = jaccard(shingles, shinglesOf(read(documents[entry])));
          if (similarity > maxSimilarity) return { document: documents[entry], similarity };
          if (seen.size >= MOST_CANDIDATES) return undefined;
        }
      }
      return undefined;
    },
    add: (text, document) => {
      signed(text);
      if (count === documents.length) documents = grown(documents);
      documents[count] = document;
      for (let index = 0; index < BANDS; index++) bands[index].add(keyOf(index), count);
      count++;
    },
  };
}

/** A hash table from a band's key to the entries that have it, in typed arrays: entries are added as 0, 1, 2, ... */
function band() {
  let keys = new Int32Array(FIRST_CAPACITY);
  let next = new Int32Array(FIRST_CAPACITY);
  let heads = new Int32Array(2 * FIRST_CAPACITY).fill(NONE);
  const link = (key: number, entry: number) => {
    const slot = key & (heads.length - 1);
    next[entry] = heads[slot];
    heads[slot] = entry;
  };
  return {
    add(key: number, entry: number): void {
      if (entry === keys.length) {
        keys = grown(keys);
        next = new Int32Array(keys.length);
        heads = new Int32Array(2 * keys.length).fill(NONE);
        for (let each = 0; each < entry; each++) link(keys[each], each);
      }
      keys[entry] = key | 0;
      link(keys[entry], entry);
    },
    *entries(key: number): Generator<number> {
      for (let entry = heads[(key | 0) & (heads.length - 1)]; entry !== NONE; entry = next[entry]) {
        if (keys[entry] === (key | 0)) yield entry;
      }
    },
  };
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
