/** The thread that reads batches ahead: it sends as many as it is asked for, in order. */
import { parentPort, workerData } from "node:worker_threads";
import { trainBatches } from "../batches";
import { messageOf } from "../corpus-error";
import { openDocuments } from "../documents";
import type { FromReader, ReaderWork, ToReader } from "./reader-messages";

const { name, folder, files, endOfDocument, options } = workerData as ReaderWork;
const port = parentPort!;
const send = (message: FromReader, transfer: ArrayBuffer[] = []): void => port.postMessage(message, transfer);
let batches: ReturnType<typeof trainBatches> | undefined;

port.on("message", ({ count }: ToReader) => {
  try {
    batches ??= trainBatches({ name, endOfDocument, train: openDocuments(folder, files) }, options);
    for (let i = 0; i < count; i++) {
      const batch = batches.next().value;
      send({ kind: "batch", batch }, [batch.tokens_BM.buffer]);
    }
  } catch (error) {
    send({ kind: "failed", why: messageOf(error) });
  }
});
