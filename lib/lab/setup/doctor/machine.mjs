/** The machine: processors, memory, disk, memory pages. */
import fs from "node:fs";
import os from "node:os";
import { withHugePages } from "../../../lory/bin/huge-pages.js";
import { isSupportedNode } from "../node-version.mjs";
import { freeMegabytes } from "../step.mjs";

/** @typedef {import("../commands/doctor.mjs").Finding} Finding */

const PAGES = "/sys/kernel/mm/transparent_hugepage/enabled";
/** The notebook's runs, figures and the unpacked browser. */
const ROOM_MEGABYTES = 2000;
const OLDEST_GLIBC = [2, 35];

/** @returns {Finding[]} */
export function machine() {
  return [node(), processors(), disk(), ...(process.platform === "linux" ? [hugePages()] : [])];
}

/** @returns {Finding} */
function node() {
  const text = `Node.js ${process.versions.node} (${process.execPath})`;
  return isSupportedNode(process.versions.node)
    ? { state: "ok", text }
    : { state: "missing", text: `${text}: 20.19, 22.12 or newer is needed`, mend: "nvm install 22, or nodejs.org" };
}

/** @returns {Finding} */
function processors() {
  const model = os.cpus()[0]?.model.trim() ?? os.arch();
  return {
    state: "ok",
    text: `${os.availableParallelism()} processors (${model}), ${gigabytes(os.totalmem())} of memory`,
  };
}

/** @returns {Finding} */
function disk() {
  const free = freeMegabytes();
  const text = `${gigabytes(free * 1e6)} free on the disk`;
  return free >= ROOM_MEGABYTES
    ? { state: "ok", text }
    : { state: "note", text, mend: "free 2 GB for runs and figures" };
}

/** Whether memory in huge pages can be had, which XLA's CPU programs gain much by. @returns {Finding} */
function hugePages() {
  const tunables = withHugePages(process.env).GLIBC_TUNABLES;
  const text = `huge memory pages: ${tunables} is set for what runs here`;
  const mode = fs.existsSync(PAGES) ? /\[(\w+)\]/.exec(fs.readFileSync(PAGES, "utf8"))?.[1] : undefined;
  if (mode === undefined) return { state: "note", text: "huge memory pages: the kernel has none" };
  if (mode === "never") {
    return { state: "note", text: "huge memory pages: switched off", mend: `sudo sh -c 'echo madvise > ${PAGES}'` };
  }
  if (!newEnough(glibc()))
    return { state: "note", text: `${text}; needs glibc ${OLDEST_GLIBC.join(".")}, this is ${glibc()}` };
  return { state: "ok", text: `${text}, the kernel's mode is ${mode}` };
}

/** The C library's version; undefined for another C library. @returns {string | undefined} */
function glibc() {
  const report = /** @type {{ header?: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return report.header?.glibcVersionRuntime;
}

/** @param {string | undefined} version */
function newEnough(version) {
  const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
  return major > OLDEST_GLIBC[0] || (major === OLDEST_GLIBC[0] && minor >= OLDEST_GLIBC[1]);
}

/** @param {number} bytes */
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(1)} GB`;
