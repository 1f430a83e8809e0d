export * from "./test-backend";
export * from "./draws";
export * from "./random-model";
export * from "./random-tensor";
export * from "./compiled";
export * from "./compare-forward";
