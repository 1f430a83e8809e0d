/** Compiled programs on disk, so that a second start compiles nothing. */
export { CompileCache, openCache, type Source } from "./compile-cache";
