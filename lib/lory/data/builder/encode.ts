/** Tokenizes the documents of a corpus in worker threads, portion by portion, so that a build goes on where it was killed. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { CorpusError } from "../corpus-error";
import { readNpy } from "../npy";
import { projectFolder } from "../project-folder";
import type { EncodeJob, EncodeReply, EncodeWorkerData } from "./encode-worker";
import type { SpooledText } from "./spool";

/** UTF-8 bytes of a portion: some seconds of work. */
const PORTION_BYTES = 1 << 23;
const MOST_WORKERS = 16;

export interface EncodeOptions extends EncodeWorkerData {
  /** Where the ids are kept until the corpus is written; portions that lie there already are not tokenized again. */
  folder: string;
  portionBytes?: number;
  workers?: number;
  onEncoded?: (documents: number) => void;
}

/** Consecutive documents whose ids lie in one pair of files. */
interface Portion {
  first: number;
  end: number;
  idsFile: string;
  lengthsFile: string;
}

/**
 * Tokenizes texts of a spool.
 *
 * @returns gives the ids of each text in turn; a portion at a time is in memory
 * @throws CorpusError when the tokenizer is missing or fails; the system's error when a file cannot be written
 */
export async function encodeSpool(texts: readonly SpooledText[], options: EncodeOptions): Promise<Iterable<Ids>> {
  const portions = cutPortions(texts, options);
  const missing = portions.filter(({ idsFile, first, end }) => {
    const isThere = existsSync(idsFile);
    if (isThere) options.onEncoded?.(end - first);
    return !isThere;
  });
  const jobs = missing.map(({ first, end, idsFile, lengthsFile }, id): EncodeJob => {
    const positions = texts.slice(first, end).flatMap(({ at, bytes }) => [at, bytes]);
    return { id, texts: Float64Array.from(positions), idsFile, lengthsFile };
  });
  await runJobs(jobs, options, (id) => options.onEncoded?.(missing[id].end - missing[id].first));
  return idsOf(portions);
}

type Ids = Uint16Array | Uint32Array;

function* idsOf(portions: readonly Portion[]): Generator<Ids> {
  for (const { idsFile, lengthsFile } of portions) {
    const ids = readNpy(idsFile);
    let at = 0;
    for (const length of readNpy(lengthsFile)) {
      yield ids.subarray(at, at + length);
      at += length;
    }
  }
}

function cutPortions(texts: readonly SpooledText[], { folder, portionBytes = PORTION_BYTES }: EncodeOptions) {
  const portions: Portion[] = [];
  for (let first = 0; first < texts.length;) {
    let end = first;
    for (let bytes = 0; end < texts.length && bytes < portionBytes; end++) bytes += texts[end].bytes;
    const name = path.join(folder, `tokens-${String(portions.length).padStart(5, "0")}`);
    portions.push({ first, end, idsFile: `${name}-ids.npy`, lengthsFile: `${name}-lengths.npy` });
    first = end;
  }
  return portions;
}

/** Runs jobs in workers, each as soon as one is free. */
async function runJobs(
  jobs: readonly EncodeJob[],
  options: EncodeOptions,
  onDone: (id: number) => void,
): Promise<void> {
  const { tokenizer, spoolFile, isNarrow, workers = Math.min(os.availableParallelism(), MOST_WORKERS) } = options;
  const data: EncodeWorkerData = { tokenizer, spoolFile, isNarrow };
  let next = 0;
  const runOne = () =>
    new Promise<void>((resolve, reject) => {
      const worker = startWorker(data);
      const finish = (error?: Error) => {
        void worker.terminate();
        if (error === undefined) resolve();
        else reject(error);
      };
      const give = () => {
        if (next < jobs.length) worker.postMessage(jobs[next++]);
        else finish();
      };
      worker.on("error", finish);
      worker.on("exit", (code) => reject(new CorpusError(`a thread that tokenizes ended (exit code ${code})`)));
      worker.on("message", (reply: EncodeReply) => {
        if ("error" in reply) return finish(Object.assign(new CorpusError(reply.error), { code: reply.code }));
        onDone(reply.id);
        give();
      });
      give();
    });
  await Promise.all(Array.from({ length: Math.min(workers, jobs.length) }, runOne));
}

/** The worker's file stands beside this one: as JavaScript where the library is built, else compiled by ts-node. */
function startWorker(workerData: EncodeWorkerData): Worker {
  const isSource = path.extname(__filename) === ".ts";
  const file = path.join(__dirname, `encode-worker${path.extname(__filename)}`);
  if (!isSource) return new Worker(file, { workerData });
  const register = createRequire(__filename).resolve("ts-node/register/transpile-only");
  const project = path.join(projectFolder(), "lib", "lory", "tsconfig.json");
  return new Worker(file, {
    workerData,
    execArgv: ["-r", register],
    env: { ...process.env, TS_NODE_PROJECT: project },
  });
}
