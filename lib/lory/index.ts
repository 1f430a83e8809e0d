/** Lory: fully differentiable mixture-of-experts language models, from layers to training and analysis. */
export * from "./backend";
export * from "./nn";
export * from "./moe";
export * from "./models";
export * from "./data";
export * from "./train";
export * from "./runs";
export * from "./eval";
export * from "./plots";
export * from "./notebook";
