export * from "./bootstrap";
export * from "./generate";
export * from "./generate-options";
export type { EvaluationOptions } from "./held-out";
export * from "./leak";
export * from "./perplexity";
export * from "./routing";
export { sampleToken, uniformNumbers, type SamplingOptions } from "./sampling";
export * from "./unigram";
