export { importCorpus, type ImportedCorpus, type ImportOptions, type MalformedLines } from "./import-corpus";
