/** B pieces, T tokens of the longest, D numbers of a vector. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Tokenizer as NativeTokenizer } from "tokenizers";
import { CorpusError, messageOf } from "../corpus-error";
import { sha256 } from "../manifest";
import { encoderPackage } from "./encoder-package";
import type { PieceEncoder } from "./text-embedder";

/** What of onnxruntime-node is used here. */
interface OnnxTensor {
  readonly dims: readonly number[];
  readonly data: unknown;
}
interface OnnxSession {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}
interface OnnxRuntime {
  Tensor: new (type: "int64", data: BigInt64Array, dims: readonly number[]) => OnnxTensor;
  InferenceSession: { create(model: Uint8Array): Promise<OnnxSession> };
}

const MODEL = "model.onnx";
const TOKENIZER = "tokenizer.json";

/** What encoders call the tokens before and after a text. */
const BEGIN = ["[CLS]", "<s>"];
const END = ["[SEP]", "</s>"];

/** Names a model in a folder by its content, without loading it. */
export function onnxIdentity(folder: string): string {
  return `onnx ${sha256(read(folder, MODEL))}, tokenizer ${sha256(read(folder, TOKENIZER))}`;
}

/**
 * Any sentence encoder as ONNX, such as Contriever, which the paper takes: a folder with `model.onnx` and `tokenizer.json`, as Hugging Face's
 * `optimum-cli export onnx --model facebook/contriever --task feature-extraction <folder>` writes it. The model takes `input_ids` and, if it has them,
 * `attention_mask` and `token_type_ids`, int64 [B, T]; its first output are the tokens' vectors [B, T, D], whose mean over a piece's tokens, its marks
 * included, is the piece's (Izacard et al. 2022, arXiv 2112.09118).
 *
 * @param chunkTokens tokens of a piece, without the marks of beginning and end; Contriever takes 510
 * @throws CorpusError for a missing or unusable file, and if onnxruntime-node is not here
 */
export async function onnxEncoder(folder: string, chunkTokens: number): Promise<PieceEncoder<readonly number[]>> {
  const id = `${onnxIdentity(folder)}, pieces of ${chunkTokens} tokens`;
  const tokenizer = openTokenizer(folder);
  const runtime = encoderPackage("onnxruntime-node") as OnnxRuntime;
  let session: OnnxSession;
  try {
    session = await runtime.InferenceSession.create(read(folder, MODEL));
  } catch (error) {
    throw new CorpusError(`${path.join(folder, MODEL)} cannot be loaded: ${messageOf(error)}`);
  }
  const { inputNames, outputNames } = session;
  const known = ["input_ids", "attention_mask", "token_type_ids"];
  const strange = inputNames.find((name) => !known.includes(name));
  if (strange !== undefined || !inputNames.includes("input_ids")) {
    throw new CorpusError(`${path.join(folder, MODEL)} takes ${inputNames.join(", ")}: expected ${known.join(", ")}`);
  }

  const encode = async (pieces: readonly (readonly number[])[]): Promise<Float32Array> => {
    const longest = Math.max(...pieces.map(({ length }) => length));
    const dims = [pieces.length, longest];
    const fill = (value: (piece: readonly number[], at: number) => number): OnnxTensor => {
      const data = new BigInt64Array(pieces.length * longest);
      pieces.forEach((piece, row) => {
        for (let t = 0; t < piece.length; t++) data[row * longest + t] = BigInt(value(piece, t));
      });
      return new runtime.Tensor("int64", data, dims);
    };
    const feeds: Record<string, OnnxTensor> = { input_ids: fill((piece, t) => piece[t]) };
    if (inputNames.includes("attention_mask")) feeds.attention_mask = fill(() => 1);
    if (inputNames.includes("token_type_ids")) feeds.token_type_ids = fill(() => 0);
    const output = (await session.run(feeds))[outputNames[0]];
    return meanPooled(
      output,
      pieces.map(({ length }) => length),
      longest,
    );
  };
  const [probe] = await tokenizer.pieces("a", chunkTokens);
  const dimension = (await encode([probe.piece])).length;
  return {
    id,
    dimension,
    pieces: (text) => tokenizer.pieces(text, chunkTokens),
    encode,
    close: () => session.release(),
  };
}

/** The mean of each piece's first `lengths` vectors, [B, D]. */
function meanPooled({ dims, data }: OnnxTensor, lengths: readonly number[], longest: number): Float32Array {
  const [batch, tokens, dimension] = dims;
  if (dims.length !== 3 || batch !== lengths.length || tokens !== longest || !(data instanceof Float32Array)) {
    throw new CorpusError(
      `the encoder's first output is [${dims.join(", ")}]: expected float32 [${lengths.length}, ${longest}, D]`,
    );
  }
  const means = new Float32Array(batch * dimension);
  lengths.forEach((length, row) => {
    for (let t = 0; t < length; t++) {
      const from = (row * tokens + t) * dimension;
      for (let d = 0; d < dimension; d++) means[row * dimension + d] += data[from + d] / length;
    }
  });
  return means;
}

function openTokenizer(folder: string) {
  let native: NativeTokenizer;
  try {
    native = NativeTokenizer.fromString(read(folder, TOKENIZER).toString("utf8"));
  } catch (error) {
    throw new CorpusError(`${path.join(folder, TOKENIZER)} is no usable tokenizer: ${messageOf(error)}`);
  }
  // A model's tokenizer may cut and pad; pieces are made here.
  native.disableTruncation();
  native.disablePadding();
  const mark = (names: readonly string[]): number[] => {
    const found = names.map((name) => native.tokenToId(name)).find((id) => typeof id === "number");
    return found === undefined ? [] : [found];
  };
  const [begin, end] = [mark(BEGIN), mark(END)];
  return {
    async pieces(text: string, chunkTokens: number) {
      const ids = (await native.encode(text, null, { addSpecialTokens: false })).getIds();
      const count = Math.max(1, Math.ceil(ids.length / chunkTokens));
      const pieces = Array.from({ length: count }, (_, i) => {
        const own = ids.slice(i * chunkTokens, (i + 1) * chunkTokens);
        return { piece: [...begin, ...own, ...end], size: Math.max(1, own.length) };
      });
      return pieces.filter(({ piece }) => piece.length > 0);
    },
  };
}

function read(folder: string, name: string): Buffer {
  try {
    return readFileSync(path.join(folder, name));
  } catch (error) {
    throw new CorpusError(
      `an encoder's folder holds ${MODEL} and ${TOKENIZER}: cannot read ${path.join(folder, name)}: ${messageOf(error)}`,
    );
  }
}
