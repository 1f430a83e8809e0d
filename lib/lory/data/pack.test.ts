import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { MANIFEST_FILE } from "./manifest";
import { bytesPerToken, PACK_FILE, packCorpus, unpackCorpus } from "./pack";
import { writeTinyCorpus } from "./tiny-corpus";

let parent: string;
let build: string;
let packed: string;
let again: string;
beforeEach(() => {
  parent = mkdtempSync(path.join(os.tmpdir(), "pack-"));
  [build, packed, again] = ["build", "packed", "again"].map((name) => path.join(parent, name));
  onTestFinished(() => rmSync(parent, { recursive: true }));
});

const contents = (folder: string) =>
  Object.fromEntries(readdirSync(folder).map((file) => [file, readFileSync(path.join(folder, file))]));

const document = fc.record({
  domain: fc.constantFrom(0, 1),
  tokens: fc.array(fc.nat(999), { minLength: 1, maxLength: 30 }),
});

describe("packCorpus and unpackCorpus", () => {
  it("give every file back byte for byte, whatever the tokens, shards and pieces", async () => {
    const documents = fc.array(document, { minLength: 1, maxLength: 12 });
    const wide = fc.boolean();
    await fc.assert(
      fc.asyncProperty(
        documents,
        documents,
        wide,
        fc.integer({ min: 20, max: 300 }),
        async (train, heldOut, is32, pieceBytes) => {
          writeTinyCorpus(
            build,
            { train, validation: heldOut, heldOut },
            { shardTokens: 40, vocabSize: is32 ? 70_000 : 1000 },
          );
          const { files } = await packCorpus(build, packed, { pieceBytes });
          const pieces = files.flatMap((file) => file.pieces);
          expect(pieces.length).toBeGreaterThan(files.length);
          for (const { sizeBytes } of pieces) expect(sizeBytes).toBeLessThanOrEqual(pieceBytes);
          await unpackCorpus(packed, again);
          expect(contents(again)).toEqual(contents(build));
        },
      ),
      { numRuns: 5 },
    );
  });

  it("takes few bytes for ids that follow each other as those of text do", async () => {
    const tokens = Array.from({ length: 20_000 }, (_, n) => (n % 3 === 0 ? (n * n) % 7 : 500 + ((n * n) % 11)));
    const manifest = writeTinyCorpus(build, { train: [{ domain: 0, tokens }], heldOut: [] });
    expect(bytesPerToken(await packCorpus(build, packed), manifest)).toBeLessThan(0.3);
  });

  it("refuse missing, cut and changed pieces and leave nothing behind", async () => {
    const train = [{ domain: 0, tokens: Array.from({ length: 500 }, (_, n) => (n * 7919) % 1000) }];
    writeTinyCorpus(build, { train, heldOut: train });
    await packCorpus(build, packed);
    const piece = path.join(packed, "train-00000.npy.xz");
    const whole = readFileSync(piece);
    const damage: [() => void, string][] = [
      [() => rmSync(piece), `${piece} is missing`],
      [() => writeFileSync(piece, whole.subarray(1)), `${piece} has ${whole.length - 1} bytes instead of`],
      [
        () =>
          writeFileSync(
            piece,
            whole.map((byte, at) => (at === 60 ? byte ^ 1 : byte)),
          ),
        `${piece} is damaged`,
      ],
    ];
    for (const [harm, message] of damage) {
      harm();
      await expect(unpackCorpus(packed, again)).rejects.toThrow(message);
    }
    writeFileSync(piece, whole);
    const packFile = path.join(packed, PACK_FILE);
    const pack = readFileSync(packFile, "utf8");
    writeFileSync(packFile, pack.replace(/"packVersion": 1/, '"packVersion": 9'));
    await expect(unpackCorpus(packed, again)).rejects.toThrow("has pack version 9, this library reads 1");
    writeFileSync(packFile, pack.replace(/"hash": "./, '"hash": "z'));
    await expect(unpackCorpus(packed, again)).rejects.toThrow("holds another corpus");
    await expect(unpackCorpus(build, again)).rejects.toThrow(`there is no packed corpus in ${build}`);
    expect(readdirSync(parent).sort()).toEqual(["build", "packed"]);

    writeFileSync(path.join(build, "train-00000.npy"), "other");
    await expect(packCorpus(build, again)).rejects.toThrow(`train-00000.npy in ${build} is damaged`);
    rmSync(path.join(build, MANIFEST_FILE));
    await expect(packCorpus(build, again)).rejects.toThrow(`there is no corpus in ${build}`);
    expect(existsSync(again)).toBe(false);
  });

  it("leave nothing where the disk is full, whichever file it stops, and keep what was there", async () => {
    writeTinyCorpus(build, { train: [{ domain: 0, tokens: [1, 2, 3] }], heldOut: [] });
    const stopAt = (last: number) => {
      let writes = 0;
      return (file: string, content: Uint8Array | string) => {
        if (++writes === last) throw Object.assign(new Error("no space left on device"), { code: "ENOSPC" });
        writeFileSync(file, content);
      };
    };
    const { files } = await packCorpus(build, packed);
    await unpackCorpus(packed, again);
    const [packedBefore, unpackedBefore] = [contents(packed), contents(again)];
    for (let last = 1; last <= files.length; last++) {
      await expect(packCorpus(build, packed, { writeFile: stopAt(last) })).rejects.toThrow("the disk is full");
      await expect(unpackCorpus(packed, again, { writeFile: stopAt(last) })).rejects.toThrow("the disk is full");
    }
    await expect(packCorpus(build, packed, { writeFile: stopAt(files.length + 1) })).rejects.toThrow(
      "the disk is full",
    );
    expect([contents(packed), contents(again)]).toEqual([packedBefore, unpackedBefore]);
    expect(readdirSync(parent).sort()).toEqual(["again", "build", "packed"]);
  });
});
