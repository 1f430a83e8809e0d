export * from "./figures";
export * from "./results";
