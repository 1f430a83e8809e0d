import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { EXACT, expectClose } from "tfjs-backend-xla/testing";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeNpy } from "../data/npy";
import { exportHuggingFace, type ModelConfig, type Params } from "../models";
import { readSafetensors } from "../models/safetensors";
import {
  compiledForwardAndLoss,
  compiledPromptForward,
  lossGradients,
  randomParams,
  randomTokens,
  tinyConfig,
  tokenTensor,
  useTestBackend,
} from "../testing";
import { writeLogits } from "./logits";

const CLOSE = { rtol: 1e-5, atol: 1e-6 };
const config = tinyConfig();
const tokens = randomTokens(config, 2, 10, 5);

let root: string;
let params: Params;
let model: string;
let file: string;
let count = 0;

beforeAll(async () => {
  await useTestBackend();
  root = await fs.mkdtemp(path.join(os.tmpdir(), "logits-"));
  params = randomParams(config, 4);
  model = path.join(root, "model");
  await exportHuggingFace(model, params, config);
});
beforeEach(() => {
  file = path.join(root, `out-${count++}.safetensors`);
});
afterAll(() => fs.rm(root, { recursive: true }));

/** A `.npy` file as NumPy writes it. */
async function npy(elements: string, shape: readonly number[], data: Buffer, order = "False"): Promise<string> {
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dictionary = `{'descr': '${elements}', 'fortran_order': ${order}, 'shape': (${sizes}), }`.padEnd(117) + "\n";
  const head = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  const written = path.join(root, `tokens-${count++}.npy`);
  await fs.writeFile(written, Buffer.concat([head, Buffer.from(dictionary, "latin1"), data]));
  return written;
}
const int64 = (rows: readonly (readonly number[])[]): Promise<string> =>
  npy("<i8", [rows.length, rows[0].length], Buffer.from(BigInt64Array.from(rows.flat().map(BigInt)).buffer));

const written = async (): Promise<Map<string, tf.Tensor>> =>
  new Map((await readSafetensors(file)).tensors.map(({ name, tensor }) => [name, tensor]));

describe("what is written", () => {
  it("is routed as in training, if asked for: the future and other rows tell", async () => {
    const chosen = tinyConfig({ routingMode: "expert_choice", expertChoiceUnit: "token" });
    const folder = path.join(root, "expert-choice");
    const weights = randomParams(chosen, 4);
    await exportHuggingFace(folder, weights, chosen);
    await writeLogits({ model: folder, tokens: await int64(tokens), out: file, training: true });
    const padded = tokenTensor(tokens.map((row) => [...row, 0]));
    const expected = compiledForwardAndLoss(weights, padded, chosen, "training");
    expectClose((await written()).get("logits")!, expected.logits_BLV, CLOSE);
    const both = { model: folder, tokens: await int64(tokens), out: `${file}.2`, training: true, promptLength: 2 };
    await expect(writeLogits(both)).rejects.toThrow("give one of both");
  });

  it("is the model's logits, routing and loss", async () => {
    await writeLogits({ model, tokens: await int64(tokens), out: file });
    const found = await written();
    expect([...found.keys()]).toEqual(["logits", "loss", "routing.0", "routing.1"]);
    const longer = tokenTensor(tokens.map((row) => [...row, 0]));
    const { logits_BLV, routing } = compiledForwardAndLoss(params, longer, config);
    expectClose(found.get("logits")!, logits_BLV, CLOSE);
    routing.forEach((weights_BNE, y) => expectClose(found.get(`routing.${y}`)!, weights_BNE, CLOSE));
    const { lossNats } = compiledForwardAndLoss(params, tokenTensor(tokens), config);
    expectClose(found.get("loss")!, lossNats, CLOSE);
  });

  it("has every weight's gradient, under the weight's name and in its layout", async () => {
    await writeLogits({ model, tokens: await int64(tokens), out: file, grads: true });
    const found = await written();
    const weights = new Map(
      (await readSafetensors(path.join(model, "model.safetensors"))).tensors.map(({ name, tensor }) => [name, tensor]),
    );
    expect([...found.keys()].filter((name) => name.startsWith("grad.")).length).toBe(weights.size);
    for (const [name, tensor] of weights) expect(found.get(`grad.${name}`)!.shape).toEqual(tensor.shape);
    const expected = lossGradients(params, tokenTensor(tokens), config);
    const head = tf.tensor(expected.get("head_DV")!.values, [config.dModel, config.vocabSize]);
    expectClose(found.get("grad.lm_head.weight")!, tf.transpose(head), CLOSE);
    const router = tf.tensor(expected.get("layers.1.ffn.router_DE")!.values, [config.dModel, config.numExperts]);
    expectClose(found.get("grad.model.layers.1.mlp.router.weight")!, tf.transpose(router), CLOSE);
  });

  it("is routed by the prompt if asked for", async () => {
    await writeLogits({ model, tokens: await int64(tokens), out: file, promptLength: 3 });
    const found = await written();
    const expected = compiledPromptForward(params, tokenTensor(tokens), tf.tensor1d([3, 3], "int32"), config);
    expectClose(found.get("logits")!, expected.logits_BLV, CLOSE);
    expect(found.get("routing.0")!.shape).toEqual([2, 1, config.numExperts]);
  });

  it("is the same for one row, of one axis, in any integers", async () => {
    await writeLogits({ model, tokens: await int64([tokens[0]]), out: file });
    const expected = (await written()).get("logits")!;
    const row = tokens[0];
    const files = await Promise.all([
      npy("<u2", [10], Buffer.from(Uint16Array.from(row).buffer)),
      npy("<i4", [1, 10], Buffer.from(Int32Array.from(row).buffer)),
      npy("|u1", [10], Buffer.from(row)),
    ]);
    for (const each of files) {
      file = `${file}.next`;
      await writeLogits({ model, tokens: each, out: file });
      expectClose((await written()).get("logits")!, expected, EXACT);
    }
  });

  it("takes a dense model and a row of one token", async () => {
    const dense: ModelConfig = tinyConfig({ numExperts: 0 });
    const folder = path.join(root, "dense");
    await exportHuggingFace(folder, randomParams(dense, 6), dense);
    await writeLogits({ model: folder, tokens: await int64([[3]]), out: file });
    const found = await written();
    expect(found.get("logits")!.shape).toEqual([1, 1, dense.vocabSize]);
    expect((await found.get("loss")!.data())[0]).toBe(0);
  });
});

describe("what is refused", () => {
  it.each<[string, () => Promise<string>, string]>([
    ["ids beyond the vocabulary", () => int64([[1, 13]]), "token 1 of row 0 is 13, the vocabulary is 0 to 12"],
    ["negative ids", () => int64([[1, 2], [-1, 3]]), "token 0 of row 1 is -1"], // prettier-ignore
    ["rows longer than the context", () => int64([new Array<number>(12).fill(1)]), "12 tokens, the model's context"],
    ["floats", () => npy("<f4", [1], Buffer.alloc(4)), "its elements are <f4"],
    ["three axes", () => npy("<i4", [1, 1, 1], Buffer.alloc(4)), "its shape is (1, 1, 1), expected one or two axes"],
    ["no token", () => npy("<i4", [0, 4], Buffer.alloc(0)), "there is no token"],
    ["Fortran order", () => npy("<i4", [2, 2], Buffer.alloc(16), "True"), "it is in Fortran order"],
    ["a file that is cut", () => npy("<i4", [4], Buffer.alloc(8)), "its header promises"],
  ])("%s", async (_, make, message) => {
    const held = tf.memory().numTensors;
    await expect(writeLogits({ model, tokens: await make(), out: file })).rejects.toThrow(message);
    await expect(fs.access(file)).rejects.toThrow(/ENOENT/);
    expect(tf.memory().numTensors).toBe(held);
  });

  it("a prompt that is no length, and a file in the way", async () => {
    const rows = await int64(tokens);
    for (const promptLength of [0, 11, 1.5, NaN]) {
      const attempt = writeLogits({ model, tokens: rows, out: file, promptLength });
      await expect(attempt).rejects.toThrow(`the prompt has ${promptLength} tokens: expected 1 to 10`);
    }
    const single = writeLogits({ model, tokens: await int64([[3]]), out: file, grads: true });
    await expect(single).rejects.toThrow("rows of one token predict nothing");
    await fs.writeFile(file, encodeNpy(Uint16Array.of(1)));
    await expect(writeLogits({ model, tokens: rows, out: file })).rejects.toThrow("is there already");
  });
});
