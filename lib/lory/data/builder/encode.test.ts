import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { loadTokenizer } from "../tokenizer";
import { encodeSpool } from "./encode";
import { resumeScratch } from "./scratch";
import { openSpool } from "./spool";

function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(os.tmpdir(), "encode-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

it("gives the tokenizer's ids in the order of the texts, and tokenizes what a killed build left undone, nothing else", async () => {
  const folder = temporaryFolder();
  const spoolFile = path.join(folder, "texts");
  const spool = openSpool(spoolFile);
  const texts = ["", ...Array.from({ length: 150 }, (_, n) => `Text ${n}: ${"caf\u00e9 \u{1F999} ".repeat(n % 9)}`)];
  const spooled = texts.map(spool.append);
  expect(spool.read(spooled[7])).toBe(texts[7]);
  spool.close();
  const scratch = path.join(folder, "scratch");
  mkdirSync(scratch);

  let encoded = 0;
  const options = {
    tokenizer: "lory-8k",
    spoolFile,
    isNarrow: true,
    folder: scratch,
    portionBytes: 2000,
    onEncoded: (documents: number) => (encoded += documents),
  };
  const expected = await (await loadTokenizer("lory-8k")).encodeBatch(texts);
  const encode = async (workers = 1) =>
    Array.from(await encodeSpool(spooled, { ...options, workers }), (ids) => [...ids]);
  expect(await encode(2)).toEqual(expected);
  expect(encoded).toBe(texts.length);

  const portions = readdirSync(scratch).filter((file) => file.endsWith("-ids.npy"));
  expect(portions.length).toBeGreaterThan(2);
  const longAgo = new Date(2020, 1);
  for (const file of portions) utimesSync(path.join(scratch, file), longAgo, longAgo);
  rmSync(path.join(scratch, portions[1]));
  writeFileSync(path.join(scratch, `${portions[1]}.part`), "cut sho");
  expect(await encode()).toEqual(expected);
  const again = portions.filter((file) => statSync(path.join(scratch, file)).mtime > longAgo);
  expect(again).toEqual([portions[1]]);

  await expect(
    encodeSpool(spooled, { ...options, folder: path.join(scratch, "none"), workers: 1 }),
  ).rejects.toMatchObject({
    code: "ENOENT",
  });
});

it("takes over the work of a process that ended, and removes what was made from other inputs", () => {
  const parent = temporaryFolder();
  const ended = 2 ** 22 + 1; // more than any process has on Linux
  const left = (key: string, owner: number) => {
    const folder = path.join(parent, ".tmp", `work-tiny-${key}-${owner}-abc`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, "texts"), key);
    return folder;
  };
  const [same, other, running] = [left("aa", ended), left("bb", ended), left("aa", process.ppid)];
  const taken = resumeScratch(parent, "work-tiny", "aa");
  expect(existsSync(path.join(taken, "texts"))).toBe(true);
  expect([same, other, running].map((folder) => existsSync(folder))).toEqual([false, false, true]);
  const second = resumeScratch(parent, "work-tiny", "aa");
  expect(second).not.toBe(taken);
  expect(readdirSync(second)).toEqual([]);
});
