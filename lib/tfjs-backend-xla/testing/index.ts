export * from "./expect-close";
