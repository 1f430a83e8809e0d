export * from "./adamw";
export * from "./metrics";
export * from "./run";
export * from "./run-config";
export * from "./schedule";
export { DivergedError } from "./training";
export type { RunSummary } from "./run-directory";
