/** Kernels in native code for processors, which XLA's programs call. */
export { openProducts, PRODUCT_TARGET, type Products } from "./library";
