export type { FormatName } from "./formats";
export { isRecord, sizeBytesOf, type Entry } from "./header";
export {
  openSafetensors,
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsReader,
  type TensorSpec,
} from "./read";
export { writeSafetensors, writeSafetensorsFrom, type TensorSource, type WrittenFile } from "./write";
