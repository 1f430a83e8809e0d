import { createHash } from "node:crypto";
import { closeSync, openSync, readSync, realpathSync, statSync } from "node:fs";
import type { EntryStore } from "./store";

const CHUNK_BYTES = 2 ** 22;
const HASH = /^[0-9a-f]{64}$/;

/**
 * SHA-256 of a plugin's file. Hundreds of megabytes take their time, so the store keeps it for as long as the file's place, size and
 * times of change stay the same.
 */
export function pluginHash(plugin: string, store: EntryStore): string {
  const file = realpathSync(plugin);
  const { size, ino, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  const name = createHash("sha256")
    .update(JSON.stringify([file, ...[size, ino, mtimeNs, ctimeNs].map(String)]))
    .digest("hex");
  const known = store.read(name)?.toString("latin1");
  if (known !== undefined && HASH.test(known)) return known;
  const hash = hashOf(file);
  store.write(name, Buffer.from(hash, "latin1"));
  return hash;
}

function hashOf(file: string): string {
  const hash = createHash("sha256");
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const opened = openSync(file, "r");
  try {
    for (let n = readSync(opened, chunk); n > 0; n = readSync(opened, chunk)) hash.update(chunk.subarray(0, n));
  } finally {
    closeSync(opened);
  }
  return hash.digest("hex");
}
