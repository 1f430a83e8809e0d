/** Typed builder of StableHLO programs: operations with shape inference over a graph of values, printed as MLIR text. */
export * from "./types";
export * from "./value";
export * from "./literal";
export * from "./elementwise";
export * from "./shape";
export * from "./contract";
export * from "./control";
export * from "./custom-call";
export { operandsFirst } from "./operands-first";
export { substitute } from "./substitute";
export * from "./fft";
export * from "./window";
export { printModule, type Program } from "./print";
