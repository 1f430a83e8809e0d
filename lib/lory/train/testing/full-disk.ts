import fs from "node:fs/promises";

const METHODS = ["write", "writeFile", "appendFile"] as const;

/**
 * Makes the disk full for this process after so many bytes: the write that crosses the limit is done in part and fails as
 * the system would let it fail. Only file handles of `node:fs/promises` are concerned.
 *
 * @returns a function that frees the disk again
 */
export async function fillDisk(freeBytes: number): Promise<() => void> {
  const handle = await fs.open(__filename, "r");
  const prototype = Object.getPrototypeOf(handle) as fs.FileHandle;
  await handle.close();
  const originals = Object.fromEntries(METHODS.map((name) => [name, Reflect.get(prototype, name) as unknown]));
  const write = originals.write as (this: fs.FileHandle, bytes: Uint8Array) => ReturnType<fs.FileHandle["write"]>;

  async function limited(this: fs.FileHandle, data: string | Uint8Array, offset = 0, length?: number) {
    const all = typeof data === "string" ? Buffer.from(data) : data;
    const bytes = all.subarray(offset, length === undefined ? undefined : offset + length);
    const written = await write.call(this, bytes.subarray(0, Math.max(0, freeBytes)));
    freeBytes -= bytes.length;
    if (freeBytes < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    return written;
  }
  for (const name of METHODS) Object.assign(prototype, { [name]: limited });
  return () => Object.assign(prototype, originals);
}
