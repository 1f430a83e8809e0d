import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { hasEncoderPackage } from "./encoder-package";
import { cutText, energeticEncoder } from "./energetic";
import { onnxEncoder, onnxIdentity } from "./onnx";
import { type PieceEncoder, textEmbedder } from "./text-embedder";

const folder = mkdtempSync(path.join(os.tmpdir(), "encoders-"));
afterAll(() => rmSync(folder, { recursive: true }));

const WORDS = ["[CLS]", "[SEP]", "[UNK]", "one", "two", "three"];
/** A vector for each word: what the tiny model looks up. */
const VECTORS = [
  [1, 0, 0],
  [0, 1, 0],
  [0, 0, 0],
  [4, 0, 0],
  [0, 4, 0],
  [0, 0, 4],
];

describe("an embedder of pieces", () => {
  it("gives the mean of a document's first pieces, by size, at length 1", async () => {
    const encoder: PieceEncoder<string> = {
      id: "letters",
      dimension: 2,
      pieces: (text) => Promise.resolve(text.split(" ").map((piece) => ({ piece, size: piece.length }))),
      encode: (pieces) =>
        Promise.resolve(Float32Array.from(pieces.flatMap((piece) => (piece.startsWith("a") ? [1, 0] : [0, 1])))),
      close: () => Promise.resolve(),
    };
    const texts = ["aaaa bbb", "bb", "a a a b", ""];
    const decode = (tokens: Int32Array) => texts[tokens[0]];
    const embedder = textEmbedder(encoder, { decode, maxChunks: 3, batchPieces: 2 });
    const vectors = await embedder.embed(texts.map((_, i) => Int32Array.of(i)));
    [0.8, 0.6, 0, 1, 1, 0].forEach((value, i) => expect(vectors[i]).toBeCloseTo(value, 6));
    expect(embedder.id).toBe("letters, at most 3 pieces of a document");
  });

  it("loses no word of a text that it cuts", () => {
    const texts = fc.array(fc.string({ minLength: 1, maxLength: 9, unit: fc.constantFrom("a", "b", "c") }));
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 12 }), (words, characters) => {
        const pieces = cutText(words.join(" "), characters);
        expect(pieces.join("").replace(/\s/g, "")).toBe(words.join(""));
        for (const piece of pieces) expect(piece.length).toBeLessThanOrEqual(characters);
      }),
    );
  });
});

describe.skipIf(!hasEncoderPackage("onnxruntime-node"))("an encoder as ONNX", () => {
  it("pools the vectors of a piece's tokens, its marks included, whatever stands beside it in a batch", async () => {
    writeEncoder(folder);
    const encoder = await onnxEncoder(folder, 2);
    expect(encoder.dimension).toBe(3);
    expect(encoder.id).toContain(onnxIdentity(folder));
    const pieces = await encoder.pieces("one two three");
    expect(pieces).toEqual([
      { piece: [0, 3, 4, 1], size: 2 },
      { piece: [0, 5, 1], size: 1 },
    ]);
    const vectors = await encoder.encode(pieces.map(({ piece }) => piece));
    [5 / 4, 5 / 4, 0, 1 / 3, 1 / 3, 4 / 3].forEach((value, i) => expect(vectors[i]).toBeCloseTo(value, 5));
    await encoder.close();
  });

  it("is refused when its files are missing or are no model", async () => {
    await expect(onnxEncoder(path.join(folder, "none"), 2)).rejects.toThrow(
      "holds model.onnx and tokenizer.json: cannot read",
    );
    writeEncoder(folder);
    writeFileSync(path.join(folder, "model.onnx"), "no model");
    await expect(onnxEncoder(folder, 2)).rejects.toThrow("model.onnx cannot be loaded");
    writeEncoder(folder, "positions");
    await expect(onnxEncoder(folder, 2)).rejects.toThrow("takes positions: expected input_ids");
  });
});

describe.skipIf(!hasEncoderPackage("@energetic-ai/embeddings"))("the sentence encoder with bundled weights", () => {
  it("finds sentences of one meaning more alike than others", async () => {
    const encoder = await energeticEncoder(500);
    const texts = ["The ship sailed over the sea.", "A vessel crossed the ocean.", "The court fined the company."];
    const vectors = await encoder.encode(texts);
    const cosine = (a: number, b: number) => {
      const [x, y] = [a, b].map((row) => vectors.subarray(row * 512, (row + 1) * 512));
      const dot = (p: Float32Array, q: Float32Array) => p.reduce((sum, value, d) => sum + value * q[d], 0);
      return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
    };
    expect(cosine(0, 1)).toBeGreaterThan(cosine(0, 2) + 0.1);
  });
});

/** Writes a model that looks vectors up, and a tokenizer of whole words. */
function writeEncoder(place: string, input = "input_ids"): void {
  writeFileSync(path.join(place, "model.onnx"), lookupModel(input));
  const vocab = Object.fromEntries(WORDS.map((word, id) => [word, id]));
  const tokenizer = {
    version: "1.0",
    truncation: { max_length: 2, strategy: "LongestFirst", stride: 0, direction: "Right" },
    padding: null,
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: "Whitespace" },
    post_processor: null,
    decoder: null,
    model: { type: "WordLevel", vocab, unk_token: "[UNK]" },
  };
  writeFileSync(path.join(place, "tokenizer.json"), JSON.stringify(tokenizer));
}

/** An ONNX file of one node, Gather(table, input), in protobuf's wire format (onnx/onnx.proto3 names the fields). */
function lookupModel(input: string): Buffer {
  const number = (field: number, value: number) => Buffer.from([field << 3, value]);
  const bytes = (field: number, content: Buffer | string) => {
    const data = Buffer.from(content);
    const length = data.length < 128 ? [data.length] : [(data.length & 127) | 128, data.length >> 7];
    return Buffer.concat([Buffer.from([(field << 3) | 2, ...length]), data]);
  };
  const all = (...parts: Buffer[]) => Buffer.concat(parts);
  const named = (axis: string) => bytes(1, bytes(2, axis));
  const value = (name: string, type: number, ...axes: Buffer[]) =>
    all(bytes(1, name), bytes(2, bytes(1, all(number(1, type), bytes(2, all(...axes))))));
  const [FLOAT, INT64] = [1, 7];
  const table = all(
    number(1, WORDS.length),
    number(1, 3),
    number(2, FLOAT),
    bytes(8, "table"),
    bytes(9, Buffer.from(Float32Array.from(VECTORS.flat()).buffer)),
  );
  const node = all(bytes(1, "table"), bytes(1, input), bytes(2, "vectors"), bytes(4, "Gather"));
  const graph = all(
    bytes(1, node),
    bytes(2, "lookup"),
    bytes(5, table),
    bytes(11, value(input, INT64, named("batch"), named("tokens"))),
    bytes(12, value("vectors", FLOAT, named("batch"), named("tokens"), bytes(1, number(1, 3)))),
  );
  return all(number(1, 8), bytes(7, graph), bytes(8, number(2, 13)));
}
