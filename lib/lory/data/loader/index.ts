export { loadBatches, type LoadOptions } from "./load-batches";
