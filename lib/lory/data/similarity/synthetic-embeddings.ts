/** N documents, D numbers of an embedding. */
import { randomBits } from "../permutation";
import { type Embeddings, normalizeRows } from "./neighbours";

/** Documents of a centre, on average. */
export const CENTRE_DOCUMENTS = 50;

/**
 * Made-up embeddings for measuring how neighbours are found: unit vectors around random centres, a centre for each 50 documents, with as much noise as
 * centre, so that two documents of a centre have a similarity of about a half. The same ones each time.
 */
export function syntheticEmbeddings(documents: number, dimension: number): Embeddings {
  const bits = randomBits(1);
  const number = (): number => bits() / 2 ** 31 - 1;
  const centres = new Float32Array(Math.ceil(documents / CENTRE_DOCUMENTS) * dimension).map(number);
  const vectors_ND = new Float32Array(documents * dimension);
  for (let document = 0; document < documents; document++) {
    const centre = (bits() % (centres.length / dimension)) * dimension;
    for (let d = 0; d < dimension; d++) vectors_ND[document * dimension + d] = centres[centre + d] + number();
  }
  const embeddings = { vectors_ND, dimension };
  normalizeRows(embeddings);
  return embeddings;
}
