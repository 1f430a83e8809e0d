import { execFile } from "node:child_process";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import * as tf from "@tensorflow/tfjs-core";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { useTestBackend } from "../testing";
import { loadModel, loadState, readProgress, takeSnapshot, writeCheckpoint } from "./checkpoint";
import { latestCheckpoint, removeOldCheckpoints, removeUnfinishedCheckpoints } from "./checkpoint-folders";
import type { StatePartName } from "./state-parts";
import { fillDisk } from "./testing/full-disk";
import type { TrainState } from "./train-step";

const PARTS: readonly StatePartName[] = ["params", "m", "v"];
const SPECS = [
  { name: "embed", shape: [3, 2], dtype: "float32" },
  { name: "norm", shape: [2], dtype: "float32" },
] as const;

let root: string;
beforeAll(useTestBackend);
beforeEach(async () => {
  tf.engine().startScope();
  root = path.join(await fs.mkdtemp(path.join(os.tmpdir(), "checkpoint-")), "checkpoints");
});
afterEach(async () => {
  tf.engine().endScope();
  await fs.rm(path.dirname(root), { recursive: true });
});

/** A state of numbers that tell apart every place in it. */
function state(seed: number): TrainState {
  const list = (kind: number): tf.Tensor[] =>
    SPECS.map(({ shape }, i) => {
      const values = Float32Array.from(
        { length: tf.util.sizeFromShape([...shape]) },
        (_, j) => j + seed + kind / 3 + i / 7,
      );
      return tf.tensor(values, [...shape]);
    });
  return { params: list(0), m: list(1), v: list(2) };
}

async function bits({ params, m, v, l1Coefficient }: TrainState): Promise<string> {
  const rest = l1Coefficient === undefined ? [] : [l1Coefficient];
  const all = await Promise.all([...params, ...m, ...v, ...rest].map((tensor) => tensor.data()));
  return all.map((values) => Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex")).join();
}

const write = async (saved: TrainState, step: number): Promise<void> =>
  writeCheckpoint(root, await takeSnapshot(SPECS, saved), { step, tokens: step * 128 });
const save = (seed: number, step: number): Promise<void> => write(state(seed), step);

describe("a checkpoint", () => {
  it("comes back bit for bit, with every part that the state has", async () => {
    await save(1, 9);
    const saved = { ...state(2), l1Coefficient: tf.scalar(1 / 3) };
    await write(saved, 10);
    const folder = (await latestCheckpoint(root))!;
    expect(await readProgress(folder)).toEqual({ step: 10, tokens: 1280 });
    expect(await bits(await loadState(folder, SPECS, [...PARTS, "l1Coefficient"]))).toBe(await bits(saved));
    await expect(loadState(folder, SPECS, PARTS)).rejects.toThrow('"l1_coefficient", which is not expected');
  });

  it.each([
    [{ last: 2, best: true }, 3, [3, 10, 12]],
    [{ last: 2, best: true }, 10, [10, 12]],
    [{ last: 1, best: true }, undefined, [12]],
    [{ last: 2, best: false }, 3, [10, 12]],
    [{ last: 9, best: false }, 3, [3, 9, 10, 12]],
  ])("stays as %j asks where step %j is the best", async (keep, best, kept) => {
    for (const step of [3, 9, 10, 12]) await save(1, step);
    await fs.mkdir(path.join(root, "damaged-step-00000002-1"));
    const evaluations = [2, 3, 9, 10].map((step) => ({ step, lossNats: step === best || step === 2 ? 1 : 2 }));
    await removeOldCheckpoints(root, keep, best === undefined ? [] : evaluations);
    const names = await fs.readdir(root);
    expect(names.map((name) => Number(/^step-(\d+)$/.exec(name)?.[1])).sort((a, b) => a - b)).toEqual(kept);
  });

  it("keeps the running mean of the weights, where there is one", async () => {
    const withMean = { ...state(3), ema: state(4).params };
    await writeCheckpoint(root, await takeSnapshot(SPECS, withMean), { step: 9, tokens: 1 });
    const folder = (await latestCheckpoint(root))!;
    const loaded = await loadState(folder, SPECS, [...PARTS, "ema"]);
    expect(await bits({ ...loaded, params: loaded.ema! })).toBe(await bits({ ...withMean, params: withMean.ema }));
    const [embed] = await loadModel(folder, SPECS, true);
    expectClose(embed, withMean.ema[0], EXACT);
    const before = tf.memory().numTensors;
    await fs.appendFile(path.join(folder, "ema.safetensors"), "x");
    await expect(loadState(folder, SPECS, [...PARTS, "ema"])).rejects.toThrow(/ema.safetensors is damaged/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("gives its model alone, in the order asked for", async () => {
    await save(1, 9);
    const [norm, embed] = await loadModel((await latestCheckpoint(root))!, [SPECS[1], SPECS[0]]);
    expect([norm.shape, embed.shape]).toEqual([[2], [3, 2]]);
  });

  it.runIf(process.platform === "linux")("is verified by sha256sum", async () => {
    await save(1, 9);
    const folder = (await latestCheckpoint(root))!;
    const { stdout } = await promisify(execFile)("sha256sum", ["-c", "SHA256SUMS"], { cwd: folder });
    expect(stdout.match(/: OK$/gm)).toHaveLength(3);
  });

  it("is not there when none was written", async () => {
    expect(await latestCheckpoint(root)).toBeUndefined();
    await removeUnfinishedCheckpoints(root);
  });
});

describe("damage is named", () => {
  it.each(["model.safetensors", "optimizer.safetensors", "state.json", "SHA256SUMS"])("%s", async (name) => {
    await save(1, 9);
    const folder = (await latestCheckpoint(root))!;
    const file = path.join(folder, name);
    const bytes = await fs.readFile(file);
    bytes[bytes.length - 3] ^= 1;
    await fs.writeFile(file, bytes);
    const before = tf.memory().numTensors;
    const loaded = readProgress(folder).then(() => loadState(folder, SPECS, PARTS));
    await expect(loaded).rejects.toThrow(/is damaged/);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("a missing file", async () => {
    await save(1, 9);
    const folder = (await latestCheckpoint(root))!;
    await fs.rm(path.join(folder, "optimizer.safetensors"));
    await expect(loadState(folder, SPECS, PARTS)).rejects.toThrow(/optimizer.safetensors is missing/);
  });

  it("another model's checkpoint", async () => {
    await save(1, 9);
    const folder = (await latestCheckpoint(root))!;
    const wide = { ...SPECS[0], shape: [3, 4] };
    await expect(loadState(folder, [wide, SPECS[1]], PARTS)).rejects.toThrow(
      '"embed" has shape [3, 2], expected [3, 4]',
    );
  });
});

describe("while it is written", () => {
  it("a full disk at any byte leaves the earlier checkpoint, nothing else, and a state that can be saved later", async () => {
    await save(1, 9);
    const [folder] = await fs.readdir(root);
    const sizes = await Promise.all(
      (await fs.readdir(path.join(root, folder))).map(
        async (name) => (await fs.stat(path.join(root, folder, name))).size,
      ),
    );
    const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
    const next = state(2);
    for (let freeBytes = 0; freeBytes < totalBytes; freeBytes += 97) {
      const free = await fillDisk(freeBytes);
      await expect(write(next, 10)).rejects.toThrow(/checkpoint of step 10 .* no space left on the disk: free some/);
      free();
      expect(await fs.readdir(root)).toEqual(["step-00000009"]);
    }
    await loadState(path.join(root, folder), SPECS, PARTS);
    await write(next, 10);
    expect(await bits(await loadState((await latestCheckpoint(root))!, SPECS, PARTS))).toBe(await bits(next));
  });

  it("a kill leaves the earlier checkpoint the latest, and its own remains are removed", async () => {
    await save(1, 9);
    await fs.mkdir(path.join(root, "writing-step-00000010-123"));
    await fs.writeFile(path.join(root, "writing-step-00000010-123", "model.safetensors"), "half");
    expect(await latestCheckpoint(root)).toBe(path.join(root, "step-00000009"));
    await removeUnfinishedCheckpoints(root);
    expect(await fs.readdir(root)).toEqual(["step-00000009"]);
  });

  it("a kill while an earlier one is removed leaves the later one, and its remains are removed", async () => {
    await save(1, 9);
    await fs.cp(path.join(root, "step-00000009"), path.join(root, "removed-step-00000003"), { recursive: true });
    await fs.rm(path.join(root, "removed-step-00000003", "state.json"));
    expect(await latestCheckpoint(root)).toBe(path.join(root, "step-00000009"));
    await removeUnfinishedCheckpoints(root);
    expect(await fs.readdir(root)).toEqual(["step-00000009"]);
  });
});
