/** Text whose best causal loss is known. C sources, S symbols, L context. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { requireInteger } from "./batches";
import { writeCorpus, type TokenDocument } from "./builder/write";
import { openCorpus, type Corpus } from "./corpus";
import { MANIFEST_FILE } from "./manifest";
import { randomBits, type RandomBits } from "./permutation";
import { projectFolder } from "./project-folder";

export interface HiddenSourcesOptions {
  /** C, sources that a document may come from. */
  readonly numSources: number;
  /** V: symbols, and the token after a document, which is the last one. */
  readonly vocabSize: number;
  /** Standard deviation of a symbol's score in a source; its probabilities are the softmax of them. At 0 all sources are alike. */
  readonly sharpness: number;
  /**
   * L: a document of the training split and the token after it fill 16 contexts, so that each is of one source and few hold the end of a
   * document; a held-out one is a token longer than a context, so that it is a window.
   */
  readonly contextLength: number;
  readonly trainDocuments: number;
  readonly heldOutDocuments: number;
  readonly seed: number;
}

/** A process that draws a source for each document, and the document's symbols from it, one independently of the other. */
export interface HiddenSources {
  /** By source and symbol. */
  readonly probabilities_CS: readonly (readonly number[])[];
  /**
   * The loss of the best causal predictor, who knows the process and not the source: of every token of a window but the first, in
   * nats. No causal model's is below it on average.
   */
  readonly floorNats: (tokens_M: ArrayLike<number>) => Float64Array;
}

const CONTEXTS_OF_DOCUMENT = 16;

/** Streams of random numbers of a seed. */
const STREAMS = { sources: 0, train: 1, heldOut: 2 } as const;

/**
 * The process of some options.
 *
 * @throws RangeError for a bad option
 */
export function hiddenSources({
  numSources,
  vocabSize,
  sharpness,
  seed,
}: Pick<HiddenSourcesOptions, "numSources" | "vocabSize" | "sharpness" | "seed">): HiddenSources {
  requireInteger("numSources", numSources, 1);
  requireInteger("vocabSize", vocabSize, 3);
  requireInteger("seed", seed, 0);
  if (!(sharpness >= 0 && Number.isFinite(sharpness))) {
    throw new RangeError(`sharpness is ${sharpness}: expected a finite number of at least 0`);
  }
  const bits = randomBits(seed, STREAMS.sources);
  const probabilities_CS = Array.from({ length: numSources }, () => {
    const odds = Array.from({ length: vocabSize - 1 }, () => Math.exp(sharpness * normal(bits)));
    const total = odds.reduce((sum, value) => sum + value, 0);
    return odds.map((value) => value / total);
  });
  return { probabilities_CS, floorNats: (tokens_M) => floorNats(probabilities_CS, tokens_M) };
}

/** Bayes' rule, token by token: p(next | seen) = sum_c p(c | seen) p(next | c). */
function floorNats(probabilities_CS: HiddenSources["probabilities_CS"], tokens_M: ArrayLike<number>): Float64Array {
  let belief_C = probabilities_CS.map(() => 1 / probabilities_CS.length);
  const losses = new Float64Array(Math.max(0, tokens_M.length - 1));
  for (let t = 0; t < tokens_M.length; t++) {
    const joint_C = belief_C.map((belief, c) => belief * probabilities_CS[c][tokens_M[t]]);
    const next = joint_C.reduce((sum, value) => sum + value, 0);
    if (t > 0) losses[t - 1] = -Math.log(next);
    belief_C = joint_C.map((value) => value / next);
  }
  return losses;
}

/**
 * The corpus of a process, of one domain; drawn if it is not there yet. It is kept under the checkout's `.cache`.
 *
 * @throws RangeError for a bad option
 */
export async function hiddenSourcesCorpus(options: HiddenSourcesOptions): Promise<Corpus> {
  const { vocabSize, contextLength, trainDocuments, heldOutDocuments, seed } = options;
  requireInteger("contextLength", contextLength, 2);
  requireInteger("trainDocuments", trainDocuments, 1);
  requireInteger("heldOutDocuments", heldOutDocuments, 0);
  const { probabilities_CS } = hiddenSources(options);
  const identity = createHash("sha256")
    .update(JSON.stringify(Object.entries(options).sort()))
    .digest("hex");
  const parent = path.join(projectFolder(), ".cache", "corpora");
  const folder = path.join(parent, `hidden-sources-${identity.slice(0, 12)}`);
  // From the working folder, as a run's configuration names it: so it says nothing of the machine.
  const name = path.relative(process.cwd(), folder);
  if (existsSync(path.join(folder, MANIFEST_FILE))) return openCorpus(name);

  const documents = (stream: number, count: number, length: number): TokenDocument[] => {
    const bits = randomBits(seed, stream);
    return Array.from({ length: count }, () => {
      const source_S = probabilities_CS[Math.floor(uniform(bits) * probabilities_CS.length)];
      const tokens = Array.from({ length }, () => drawn(source_S, uniform(bits)));
      return { domain: 0, source: 0, bytes: length, tokens };
    });
  };
  mkdirSync(parent, { recursive: true });
  writeCorpus(folder, {
    name: "hidden-sources",
    description: `Documents of ${options.numSources} sources that they do not name`,
    tokenizer: { name: "none", sha256: "", vocabSize, endOfDocument: vocabSize - 1 },
    domains: [{ name: "symbols", description: "symbols drawn from the document's source", steps: [] }],
    sources: [
      { ecosystem: "none", package: "none", version: "1", licence: "CC0-1.0", domain: "symbols", downloadBytes: 0 },
    ],
    documents: {
      train: documents(STREAMS.train, trainDocuments, CONTEXTS_OF_DOCUMENT * contextLength - 1),
      heldOut: documents(STREAMS.heldOut, heldOutDocuments, contextLength + 1),
    },
  });
  return openCorpus(name);
}

/** In [0, 1). */
function uniform(bits: RandomBits): number {
  return bits() / 2 ** 32;
}

/** Standard normal (Box and Muller). */
function normal(bits: RandomBits): number {
  return Math.sqrt(-2 * Math.log(1 - uniform(bits))) * Math.cos(2 * Math.PI * uniform(bits));
}

/** The symbol that a number in [0, 1) falls to. */
function drawn(probabilities_S: readonly number[], place: number): number {
  let below = 0;
  const symbol = probabilities_S.findIndex((probability) => (below += probability) > place);
  return symbol < 0 ? probabilities_S.length - 1 : symbol;
}
