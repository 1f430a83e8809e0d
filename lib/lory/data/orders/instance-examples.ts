import { requireInteger } from "../batches";
import type { Corpus } from "../corpus";
import { packDocuments } from "../packing";
import { type Embeddings, similarity } from "../similarity/neighbours";

/** A document's part of a training instance, as one reads it. */
export interface InstancePart {
  readonly document: number;
  readonly domain: string;
  /** The package that it is from. */
  readonly source: string;
  /** The file that it was cut from; empty if the corpus does not say. */
  readonly file: string;
  /** Of the instance. */
  readonly tokens: number;
  /** Cosine with the document before it in the instance; null for the first one. */
  readonly similarity: number | null;
  /** How the part begins. */
  readonly text: string;
}

export interface ExampleOptions {
  /** L. */
  contextLength: number;
  /** Which of the order's instances, counted from 0. */
  instance: number;
  /** Characters shown of each document. */
  characters?: number;
  decode: (tokens: ArrayLike<number>) => string;
  embeddings: Embeddings;
}

/**
 * The documents of one training instance, in order.
 *
 * @throws RangeError if there is no such instance
 */
export function instanceExample(corpus: Corpus, order: Uint32Array, options: ExampleOptions): InstancePart[] {
  const { contextLength, instance, characters = 80, decode, embeddings } = options;
  requireInteger("contextLength", contextLength, 1);
  requireInteger("instance", instance, 0);
  const { train, endOfDocument } = corpus;
  const stream = packDocuments(train, order, endOfDocument);
  const instances = Math.floor(stream.length / contextLength);
  if (instance >= instances) {
    throw new RangeError(`instance is ${instance}: the corpus fills ${instances} of ${contextLength} tokens`);
  }
  const describe = passages(corpus, decode, characters);
  let at = instance * contextLength;
  let before: number | undefined;
  return stream.documentsIn(at, contextLength).map(({ document, tokens }) => {
    const ids = new Int32Array(tokens);
    stream.copy(at, tokens, ids, 0);
    const cosine = before === undefined ? null : similarity(embeddings, before, document);
    at += tokens;
    before = document;
    return { ...describe(document, ids), tokens, similarity: cosine };
  });
}

/** A passage of each domain: the training document at the given share of the domain's documents, 0 the first and 1 the last. */
export function domainExamples(
  corpus: Corpus,
  { decode, share = 0.5, characters = 300 }: Pick<ExampleOptions, "decode" | "characters"> & { share?: number },
): Omit<InstancePart, "similarity">[] {
  const { train } = corpus;
  const describe = passages(corpus, decode, characters);
  return corpus.domains.flatMap((_, domain) => {
    const own = [...train.domains.keys()].filter((document) => train.domains[document] === domain);
    if (own.length === 0) return [];
    const document = own[Math.round(share * (own.length - 1))];
    return [{ ...describe(document, train.tokensOf(document)), tokens: train.lengths[document] }];
  });
}

/** What is said of a document, and the beginning of its text on one line. */
function passages(corpus: Corpus, decode: ExampleOptions["decode"], characters: number) {
  const files = corpus.fileNames();
  return (document: number, tokens: Int32Array) => {
    const text = decode(tokens).replace(/\s+/g, " ").trim();
    const { ecosystem, package: name } = corpus.sources[corpus.train.sources[document]];
    return {
      document,
      domain: corpus.domains[corpus.train.domains[document]].name,
      source: `${ecosystem}: ${name}`,
      file: files[corpus.train.files[document]] ?? "",
      text: text.length > characters ? `${text.slice(0, characters)}…` : text,
    };
  };
}
