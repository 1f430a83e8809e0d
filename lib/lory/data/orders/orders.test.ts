import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trainBatches } from "../batches";
import { type Corpus, openCorpus } from "../corpus";
import { encodeNpy } from "../npy";
import { randomBits } from "../permutation";
import { similarityWalk } from "../similarity/similarity-walk";
import { writeTinyCorpus } from "../tiny-corpus";
import { storeOf } from "../tiny-store";
import { batchingConfig } from "./batching-config";
import { documentOrder, type OrderProgress } from "./document-order";
import { orderOfEpoch } from "./epoch-order";
import { domainExamples, instanceExample } from "./instance-examples";
import { instanceStatistics } from "./instance-statistics";
import { corpusEmbeddings } from "./nearest-documents";
import { readNeighbours } from "./neighbour-files";
import { readOrder, writeOrder } from "./order-files";

const folder = mkdtempSync(path.join(os.tmpdir(), "orders-"));
const cacheFolder = path.join(folder, "cache");
let corpus: Corpus;

beforeAll(async () => {
  // Two domains, each with six topics of its own words; documents come in no order.
  const bits = randomBits(5);
  const train = Array.from({ length: 240 }, () => {
    const topic = bits() % 12;
    const tokens = Array.from(
      { length: 30 + (bits() % 30) },
      () => 1 + (bits() % 3 === 0 ? 0 : 20 * topic) + (bits() % 20),
    );
    return { domain: topic % 2, tokens };
  });
  writeTinyCorpus(path.join(folder, "build"), { train, heldOut: [] });
  corpus = await openCorpus(path.join(folder, "build"));
});
afterAll(() => {
  corpus.close();
  rmSync(folder, { recursive: true });
});

const options = () => ({ seed: 1, contextLength: 200, cacheFolder });
const sorted = (order: Uint32Array) => [...order].sort((a, b) => a - b);
const all = () => Array.from({ length: corpus.train.documents }, (_, i) => i);

describe("batchingConfig", () => {
  it("fills in what is left out, and takes its own result", () => {
    expect(batchingConfig("similarity")).toEqual({
      order: "similarity",
      embedding: { encoder: "tf-idf", dimension: 256 },
      neighbours: 20,
      search: "auto",
    });
    const full = batchingConfig({ order: "released", embedding: { encoder: "energetic", maxChunks: 2 } });
    expect(full).toMatchObject({ pathLength: 21, embedding: { chunkCharacters: 500, maxChunks: 2 } });
    expect(batchingConfig(full)).toEqual(full);
  });

  it.each([
    ["similar", 'batching is "similar": expected order to be one of random, domain, similarity, released, bm25, file'],
    [null, "batching is null"],
    [{ order: "random", seed: 1 }, 'batching random has no key "seed": it has none'],
    [
      { order: "similarity", neighbours: 0 },
      "neighbours is 0 in batching similarity: expected a whole number of at least 1",
    ],
    [{ order: "similarity", search: "fast" }, 'search is "fast" in batching similarity: expected one of auto, exact'],
    [
      { order: "similarity", embedding: "bert" },
      'embedding is "bert": expected encoder to be one of tf-idf, energetic, onnx',
    ],
    [{ order: "similarity", embedding: "onnx" }, 'embedding onnx lacks the key "model"'],
    ["file", 'batching file lacks the key "file"'],
  ])("refuses %j", (input, message) => {
    expect(() => batchingConfig(input)).toThrow(message);
  });
});

describe("documentOrder", () => {
  it.each(["random", "domain", "similarity", "released", "bm25"] as const)(
    "%s names each document once in every epoch",
    async (name) => {
      const order = await documentOrder(corpus, batchingConfig(name), options());
      for (const epoch of [0, 1, 2]) expect(sorted(orderOfEpoch(order, corpus.train, 1, epoch))).toEqual(all());
      expect(orderOfEpoch(order, corpus.train, 1, 1)).not.toEqual(orderOfEpoch(order, corpus.train, 1, 0));
    },
  );

  it("computes once, keeps what NumPy reads, and computes again what was damaged", async () => {
    const own = { ...options(), cacheFolder: path.join(folder, "once") };
    const stages: string[] = [];
    const onProgress = ({ stage }: OrderProgress) => stages.push(stage);
    const batching = batchingConfig("similarity");
    const first = await documentOrder(corpus, batching, { ...own, onProgress });
    expect(new Set(stages)).toEqual(new Set(["embed", "neighbours", "order"]));
    stages.length = 0;
    expect(await documentOrder(corpus, batching, { ...own, onProgress })).toEqual(first);
    expect(stages).toEqual([]);

    const only = (kind: string) => {
      const [place, ...others] = readdirSync(path.join(own.cacheFolder, kind));
      expect(others).toEqual([]);
      return (name: string) => path.join(own.cacheFolder, kind, place, name);
    };
    const [file, near] = [only("orders"), only("neighbours")];
    const neighbours = readNeighbours(near("neighbours.npy"), near("similarities.npy"));
    expect(similarityWalk(neighbours).order).toEqual(first.paths!.order);
    const bytes = readFileSync(file("order.npy"));
    bytes[bytes.length - 4] ^= 1;
    writeFileSync(file("order.npy"), bytes);
    expect((await documentOrder(corpus, batching, { ...own, onProgress })).hash).toBe(first.hash);
    expect(new Set(stages)).toEqual(new Set(["order"]));
    // Another order of the same neighbours does not seek them again; damaged ones are sought again.
    stages.length = 0;
    await documentOrder(corpus, batchingConfig("released"), { ...own, onProgress });
    expect(new Set(stages)).toEqual(new Set(["order"]));
    writeFileSync(near("similarities.npy"), "damaged");
    await documentOrder(corpus, batchingConfig({ order: "released", pathLength: 5 }), { ...own, onProgress });
    expect(stages).toContain("neighbours");
    // Another question is another order.
    const other = await documentOrder(corpus, batchingConfig({ order: "similarity", neighbours: 3 }), own);
    expect(other.hash).not.toBe(first.hash);
  });

  it("takes an order from a file, and refuses one that is none", async () => {
    const file = path.join(folder, "given.npy");
    const backwards = Uint32Array.from(all().reverse());
    writeFileSync(file, encodeNpy(backwards));
    const batching = batchingConfig({ order: "file", file });
    const order = await documentOrder(corpus, batching, options());
    expect(orderOfEpoch(order, corpus.train, 1, 0)).toEqual(backwards);
    backwards[0] = 0;
    writeFileSync(file, encodeNpy(backwards));
    await expect(documentOrder(corpus, batching, options())).rejects.toThrow(
      "does not name each training document of corpus tiny once: it holds 240 indices, the corpus 240 documents, of which 1",
    );
    rmSync(file);
    await expect(documentOrder(corpus, batching, options())).rejects.toThrow("cannot be read");
  });

  it("leaves nothing half-written when the disk is full", () => {
    const place = path.join(folder, "full", "order");
    const full = (file: string) => {
      writeFileSync(file, "half");
      throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
    };
    const paths = { order: Uint32Array.of(1, 0), pathStarts: Uint32Array.of(0) };
    expect(() => writeOrder(place, paths, "{}", full)).toThrow("the disk is full, the order was not written");
    expect(readdirSync(path.dirname(place))).toEqual([]);
    expect(readOrder(place, 2)).toBeUndefined();
    expect(writeOrder(place, paths, "{}")).toEqual(readOrder(place, 2));
    expect(readOrder(place, 3)).toBeUndefined();
  });
});

describe("embeddings of a corpus", () => {
  it("are computed once a document, and anew where the cache is damaged", async () => {
    const tfIdf = batchingConfig("similarity") as { embedding: { encoder: "tf-idf"; dimension: number } };
    const own = path.join(folder, "vectors");
    const parts = () => {
      const [embedder] = readdirSync(path.join(own, "embeddings"));
      return readdirSync(path.join(own, "embeddings", embedder)).map((part) =>
        path.join(own, "embeddings", embedder, part),
      );
    };
    const fresh = await corpusEmbeddings(corpus, tfIdf.embedding, {});
    expect(await corpusEmbeddings(corpus, tfIdf.embedding, { cacheFolder: own })).toEqual(fresh);
    const [part] = parts();
    const written = readFileSync(path.join(part, "part.json"), "utf8");
    expect(await corpusEmbeddings(corpus, tfIdf.embedding, { cacheFolder: own })).toEqual(fresh);
    writeFileSync(path.join(part, "vectors.npy"), "damaged");
    expect(await corpusEmbeddings(corpus, tfIdf.embedding, { cacheFolder: own })).toEqual(fresh);
    expect(parts()).toEqual([part]);
    expect(readFileSync(path.join(part, "part.json"), "utf8")).toBe(written);
  });
});

describe("instanceStatistics", () => {
  it("counts documents, domains and pairs of an instance as laying the tokens out does", () => {
    const documents = fc.array(fc.record({ length: fc.integer({ min: 1, max: 9 }), domain: fc.nat(2) }), {
      minLength: 8,
      maxLength: 30,
    });
    fc.assert(
      fc.property(documents, fc.integer({ min: 1, max: 8 }), fc.nat(), (given, contextLength, seed) => {
        const store = storeOf(
          given.map(({ length }) => Array.from({ length }, () => 1)),
          given.map(({ domain }) => domain),
        );
        const order = orderOfEpoch({ batching: { order: "random" } }, store, seed, 0);
        const owners = [...order].flatMap((document) =>
          Array.from({ length: given[document].length + 1 }, () => document),
        );
        const cut = Array.from({ length: Math.floor(owners.length / contextLength) }, (_, i) =>
          owners.slice(i * contextLength, (i + 1) * contextLength),
        );
        const counts = cut.map((instance) => new Set(instance).size).sort((a, b) => a - b);
        const purity = (instance: number[]) =>
          Math.max(...[0, 1, 2].map((d) => instance.filter((id) => given[id].domain === d).length)) / contextLength;
        const found = instanceStatistics(store, order, contextLength);
        expect(found.instances).toBe(cut.length);
        expect(found.documentsMedian).toBe(counts[counts.length >> 1]);
        expect(found.documentsMean).toBeCloseTo(counts.reduce((a, b) => a + b) / counts.length, 9);
        expect(found.purity).toBeCloseTo(cut.reduce((sum, each) => sum + purity(each), 0) / cut.length, 9);
      }),
    );
  });

  it("shows what orders do: similarity lies between random and the domains", async () => {
    const embeddings = await corpusEmbeddings(corpus, { encoder: "tf-idf", dimension: 64 }, {});
    const of = async (name: "random" | "domain" | "similarity") => {
      const order = await documentOrder(corpus, batchingConfig(name), options());
      return instanceStatistics(corpus.train, orderOfEpoch(order, corpus.train, 1, 0), 200, embeddings);
    };
    const [random, domain, similarity] = [await of("random"), await of("domain"), await of("similarity")];
    expect(similarity.similarity).toBeGreaterThan(random.similarity + 0.2);
    expect(similarity.purity).toBeGreaterThan(random.purity + 0.1);
    expect(domain.purity).toBeGreaterThan(0.95);
    expect(random.documentsMedian).toBeGreaterThanOrEqual(4);
    expect(() => instanceStatistics(corpus.train, Uint32Array.of(0), 1e6)).toThrow("fill no instance");
  });
});

describe("instanceExample", () => {
  it("shows an instance's documents with where they are from, and their cosines", async () => {
    const embeddings = await corpusEmbeddings(corpus, { encoder: "tf-idf", dimension: 64 }, {});
    const order = orderOfEpoch({ batching: { order: "random" } }, corpus.train, 3, 0);
    const decode = (tokens: ArrayLike<number>) => Array.from(tokens).join(" ");
    const options = { contextLength: 100, instance: 4, decode, embeddings, characters: 1000 };
    const parts = instanceExample(corpus, order, options);
    expect(parts.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(100);
    expect(parts.map(({ similarity }) => similarity === null)).toEqual(parts.map((_, i) => i === 0));
    const batch = trainBatches(corpus, { batchSize: 1, contextLength: 100, seed: 3 });
    const texts = Array.from({ length: instanceStatistics(corpus.train, order, 100).instances }, () =>
      decode(batch.next().value.tokens_BM.subarray(0, 100)),
    );
    expect(texts).toContain(parts.map(({ text }) => text).join(" "));
    expect(domainExamples(corpus, { decode }).map(({ domain }) => domain)).toEqual(["north", "south"]);
    expect(() => instanceExample(corpus, order, { ...options, instance: 1e6 })).toThrow("instance is 1000000");
  });
});
