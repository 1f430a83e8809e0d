/** Control flow and memory of compiled functions: loops, choices and recomputation over trees of tensors, with gradients. */
export { checkpoint } from "./checkpoint";
export { cond } from "./cond";
export { dynamicSlice, dynamicUpdateSlice, type Start } from "./dynamic-slice";
export { materialize } from "./materialize";
export { scan, type ScanOptions } from "./scan";
export { whileLoop } from "./while-loop";
