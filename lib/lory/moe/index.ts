export * from "./first-segment";
export * from "./lory-ffn";
export * from "./merge";
export * from "./prompt";
export * from "./router";
export * from "./segment-routing";
export * from "./segments";
