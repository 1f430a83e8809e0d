export { exportHuggingFace, type ExportOptions } from "./export";
export { importHuggingFace } from "./import";
export { weightTable, type ForeignPart, type WeightRow } from "./weights";
