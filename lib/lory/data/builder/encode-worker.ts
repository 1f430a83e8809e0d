/** A worker thread of `encode.ts`: reads documents from a spool, tokenizes them and writes their ids to files. */
import { renameSync, writeFileSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { messageOf, systemCode } from "../corpus-error";
import { encodeNpy } from "../npy";
import { loadTokenizer, type Tokenizer } from "../tokenizer";
import { openSpool } from "./spool";

/** What a worker is started with. */
export interface EncodeWorkerData {
  tokenizer: string;
  spoolFile: string;
  /** Ids of 16 bits; of 32 otherwise. */
  isNarrow: boolean;
}

/** Documents to tokenize, and the files to write. */
export interface EncodeJob {
  id: number;
  /** Position and bytes of each document in the spool, by turns. */
  texts: Float64Array;
  idsFile: string;
  lengthsFile: string;
}

export type EncodeReply = { id: number } | { id: number; error: string; code: string | undefined };

/** Texts given to the tokenizer at once: enough that its start costs nothing, few enough that their ids stay small. */
const TEXTS_AT_ONCE = 256;

async function encodeJob({ texts, idsFile, lengthsFile }: EncodeJob, tokenizer: Tokenizer): Promise<void> {
  const { spoolFile, isNarrow } = workerData as EncodeWorkerData;
  const spool = openSpool(spoolFile, "read");
  const lengths = new Uint32Array(texts.length / 2);
  const encoded: number[][] = [];
  try {
    for (let start = 0; start < lengths.length; start += TEXTS_AT_ONCE) {
      const count = Math.min(TEXTS_AT_ONCE, lengths.length - start);
      const some = Array.from({ length: count }, (_, index) => {
        const [at, bytes] = texts.subarray(2 * (start + index));
        return spool.read({ at, bytes });
      });
      for (const [index, ids] of (await tokenizer.encodeBatch(some)).entries()) {
        lengths[start + index] = ids.length;
        encoded.push(ids);
      }
    }
  } finally {
    spool.close();
  }
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const all = isNarrow ? new Uint16Array(total) : new Uint32Array(total);
  let at = 0;
  for (const ids of encoded) {
    all.set(ids, at);
    at += ids.length;
  }
  // Renamed last: where there are ids, both files are whole.
  write(lengthsFile, encodeNpy(lengths));
  write(idsFile, encodeNpy(all));
}

function write(file: string, content: Uint8Array): void {
  writeFileSync(`${file}.part`, content, { flush: true });
  renameSync(`${file}.part`, file);
}

const loaded = loadTokenizer((workerData as EncodeWorkerData).tokenizer);
parentPort?.on("message", (job: EncodeJob) => {
  void loaded
    .then((tokenizer) => encodeJob(job, tokenizer))
    .then(
      (): EncodeReply => ({ id: job.id }),
      (error: unknown): EncodeReply => ({ id: job.id, error: messageOf(error), code: systemCode(error) }),
    )
    .then((reply) => parentPort?.postMessage(reply));
});
