/** How precisely products of matrices are computed. */
export { currentPrecision, precision, PRECISIONS, type Precision } from "./policy";
