export * from "./expect-close";
export * from "./benchmark";
