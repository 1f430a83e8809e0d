export * from "./causal-segment";
export * from "./lory-ffn";
export * from "./merge";
export * from "./prompt";
export * from "./router";
export * from "./segments";
