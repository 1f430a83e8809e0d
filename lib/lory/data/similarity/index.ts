export { approximateNeighbours, type ApproximateOptions } from "./approximate-neighbours";
export { bm25Chunks, type Bm25Options } from "./bm25-chunks";
export type { Embedder } from "./embedder";
export { exactNeighbours, type ExactOptions } from "./exact-neighbours";
export { type Embeddings, type Neighbours, NO_NEIGHBOUR, recall } from "./neighbours";
export { releasedWalk, type ReleasedWalkOptions } from "./released-walk";
export { type DocumentPaths, similarityWalk } from "./similarity-walk";
export { tfIdfEmbedder } from "./tf-idf";
