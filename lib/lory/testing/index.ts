export * from "./test-backend";
export * from "./draws";
export * from "./random-model";
export * from "./random-tensor";
export * from "./compiled";
export * from "./compiled-program";
export * from "./compare-forward";
export * from "./ladder";
