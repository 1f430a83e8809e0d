import path from "node:path";
import { Worker } from "node:worker_threads";
import { requireInteger, type TrainBatch, trainBatches, type TrainBatchOptions } from "../batches";
import type { Corpus } from "../corpus";
import { CorpusError } from "../corpus-error";
import { projectFolder } from "../project-folder";
import type { FromReader, ReaderWork, ToReader } from "./reader-messages";

export interface LoadOptions extends TrainBatchOptions {
  /**
   * Batches that a thread reads before they are asked for; with 0 a batch is read when it is asked for. Default: 0 for batches under
   * `SMALL_BATCH_TOKENS`, else 4.
   */
  readAhead?: number;
}

/** Reading fewer tokens takes less time than a thread's messages cost: a millisecond at most. */
export const SMALL_BATCH_TOKENS = 1 << 15;

const READ_AHEAD = 4;

/**
 * Endless training batches, as `trainBatches` gives them, read ahead by a thread of their own, so that the device need not wait for the disk. The
 * iterator's `return` (the end of a `for await`) stops the thread. A batch is the caller's own.
 *
 * @throws CorpusError when a shard cannot be read or the corpus is smaller than a batch; RangeError for a bad option, at the first batch
 */
export async function* loadBatches(corpus: Corpus, options: LoadOptions): AsyncGenerator<TrainBatch, void, undefined> {
  const isSmall = options.batchSize * options.contextLength < SMALL_BATCH_TOKENS;
  const { readAhead = isSmall ? 0 : READ_AHEAD, ...batches } = options;
  requireInteger("readAhead", readAhead, 0);
  if (readAhead === 0) yield* trainBatches(corpus, batches);
  else yield* readByThread(corpus, batches, readAhead);
}

async function* readByThread(
  corpus: Corpus,
  options: TrainBatchOptions,
  ahead: number,
): AsyncGenerator<TrainBatch, void, undefined> {
  // Bad options are refused here, with the caller in the stack.
  trainBatches(corpus, options);
  const work: ReaderWork = {
    name: corpus.name,
    folder: corpus.dir,
    files: corpus.manifest.splits.train,
    endOfDocument: corpus.endOfDocument,
    options,
  };
  const reader = startReader(work);
  const arrived: FromReader[] = [];
  let wake: (() => void) | undefined;
  const arrive = (message: FromReader): void => {
    arrived.push(message);
    wake?.();
  };
  const fail = (why: string): void => arrive({ kind: "failed", why });
  reader.on("message", arrive);
  reader.on("error", (error: Error) => fail(`the thread that reads batches failed: ${error.message}`));
  reader.on("exit", (code) => fail(`the thread that reads batches ended with code ${code}`));
  const ask = (count: number): void => reader.postMessage({ count } satisfies ToReader);
  try {
    ask(ahead);
    for (;;) {
      while (arrived.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      const message = arrived.shift()!;
      if (message.kind === "failed") throw new CorpusError(message.why);
      ask(1);
      yield message.batch;
    }
  } finally {
    reader.removeAllListeners();
    await reader.terminate();
  }
}

/** Starts the thread: from what is compiled, or from the sources through ts-node. */
function startReader(work: ReaderWork): Worker {
  const extension = path.extname(__filename);
  const file = path.join(__dirname, `reader-thread${extension}`);
  if (extension !== ".ts") return new Worker(file, { workerData: work });
  const root = projectFolder();
  return new Worker(file, {
    workerData: work,
    execArgv: ["-r", path.join(root, "node_modules", "ts-node", "register", "transpile-only.js")],
    env: { ...process.env, TS_NODE_PROJECT: path.join(root, "lib", "lory", "tsconfig.json") },
  });
}
