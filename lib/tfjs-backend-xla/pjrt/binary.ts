/**
 * Whether a file is a whole shared library for this machine, seen from its headers alone.
 *
 * The system's loader maps a library by its headers and trusts them: a truncated file maps without an error and ends
 * the process when a missing page is touched. So the file's length is compared with what the headers promise first.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { PluginError } from "./errors";

/** e_machine of the ELF header. */
const ELF_MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183 };
const ELF_HEADER_BYTES = 64;
const ELF_CLASS_64 = 2;
const ELF_SHARED_OBJECT = 3;
const ELF_LOADED_SEGMENT = 1;

/** The first bytes of 64-bit Mach-O files, of their universal form, and of Windows' executables. */
const MACH_O = [0xfeedfacf, 0xcffaedfe, 0xcafebabe, 0xbebafeca];
const PE = 0x4d5a;

/**
 * Throws a PluginError that names the file and the fault, unless the file is a shared library in this platform's
 * format. ELF files are checked for the machine and for their full length, the others by their first bytes.
 */
export function checkSharedLibrary(path: string): void {
  const file = openSync(path, "r");
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) throw new PluginError(`${path} is not a usable shared library: it is no file`);
    const { size } = stats;
    const header = read(file, 0, ELF_HEADER_BYTES);
    const fault = header.length < ELF_HEADER_BYTES ? `it has only ${size} bytes` : libraryFault(file, header, size);
    if (fault !== undefined) throw new PluginError(`${path} is not a usable shared library: ${fault}`);
  } finally {
    closeSync(file);
  }
}

function libraryFault(file: number, header: Buffer, size: number): string | undefined {
  if (process.platform === "darwin") {
    return MACH_O.includes(header.readUInt32BE(0)) ? undefined : "it is no Mach-O file";
  }
  if (process.platform === "win32") return header.readUInt16BE(0) === PE ? undefined : "it is no Windows library";
  return elfFault(file, header, size);
}

/** Fields and offsets as in the System V ABI's Elf64_Ehdr and Elf64_Phdr. */
function elfFault(file: number, header: Buffer, size: number): string | undefined {
  if (header.toString("latin1", 0, 4) !== "\x7fELF") return "it is no ELF file";
  if (header[4] !== ELF_CLASS_64) return "it is no 64-bit library";
  if (header.readUInt16LE(16) !== ELF_SHARED_OBJECT) return "it is an ELF file, but no shared library";
  const machine = ELF_MACHINES[process.arch];
  if (machine !== undefined && header.readUInt16LE(18) !== machine) return `it is not built for ${process.arch}`;

  const segments = {
    at: Number(header.readBigUInt64LE(32)),
    bytes: header.readUInt16LE(54),
    n: header.readUInt16LE(56),
  };
  const sections = {
    at: Number(header.readBigUInt64LE(40)),
    bytes: header.readUInt16LE(58),
    n: header.readUInt16LE(60),
  };
  const table = read(file, segments.at, segments.bytes * segments.n);
  let end = Math.max(segments.at + segments.bytes * segments.n, sections.at + sections.bytes * sections.n);
  for (let at = 0; at + segments.bytes <= table.length; at += segments.bytes) {
    if (table.readUInt32LE(at) !== ELF_LOADED_SEGMENT) continue;
    end = Math.max(end, Number(table.readBigUInt64LE(at + 8)) + Number(table.readBigUInt64LE(at + 32)));
  }
  return end > size ? `it is truncated, ${size} of ${end} bytes are there` : undefined;
}

function read(file: number, position: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  return buffer.subarray(0, readSync(file, buffer, 0, bytes, position));
}
