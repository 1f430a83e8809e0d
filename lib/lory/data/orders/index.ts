export { batchingConfig, BATCHING_ORDERS, SEARCHES } from "./batching-config";
export type {
  BatchingConfig,
  BatchingInput,
  BatchingOrder,
  EmbeddingConfig,
  EmbeddingInput,
  Search,
} from "./batching-config";
export { documentOrder, type OrderOptions, type OrderProgress } from "./document-order";
export { type DocumentOrder, orderOfEpoch } from "./epoch-order";
export { domainExamples, instanceExample, type ExampleOptions, type InstancePart } from "./instance-examples";
export { instanceStatistics, type InstanceStatistics } from "./instance-statistics";
export { corpusEmbeddings, nearestDocuments, openEmbedder } from "./nearest-documents";
export { readNeighbours } from "./neighbour-files";
