/**
 * `npm run interchange`: exports models, has the transformers of LORY_INTEROP_PYTHON run them, and records how far its logits and
 * routing weights are from this library's, in results/interop/transformers-<major version>.json. Ends with status 1 where one is further
 * than the tests allow.
 */
import fs from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { init } from "../../../backend";
import { compiledForward, compiledMerge, compiledPromptForward } from "../../../testing/compiled";
import { randomParams, randomTokens, tinyConfig, tokenTensor } from "../../../testing/random-model";
import { modelConfig, type ModelConfig } from "../../config";
import { initParams } from "../../init";
import type { Params } from "../../params";
import { denseRow } from "../../prompt-merge";
import { CLOSE, PROMPTED_MODELS, ROUTED_MODELS } from "./interchange-cases";
import { TransformersProcess, type TransformersAnswer } from "./transformers-process";

interface Row {
  readonly case: string;
  readonly class: string;
  /** Largest difference of a logit, and of a routing weight. */
  readonly logits: number;
  readonly routing: number;
  /** The largest of |difference| / (atol + rtol * |expected|) over all of them: above 1 is further than the tests allow. */
  readonly share: number;
}

interface Ours {
  readonly logits_BLV: tf.Tensor;
  readonly routing: readonly tf.Tensor[];
}

async function compare(name: string, answer: TransformersAnswer, ours: Ours): Promise<Row> {
  if (answer.routing.length !== ours.routing.length)
    throw new Error(
      `${name}: transformers routes ${answer.routing.length} layers, this library ${ours.routing.length}`,
    );
  const logits = await distance(answer.logits_BLV, ours.logits_BLV);
  const routing = await Promise.all(ours.routing.map((weights, i) => distance(answer.routing[i], weights)));
  const share = Math.max(logits.share, ...routing.map((each) => each.share));
  console.log(
    `${name}: ${answer.class}, logits within ${logits.difference.toExponential(1)}, ${share.toFixed(3)} of what is allowed`,
  );
  return {
    case: name,
    class: answer.class,
    logits: logits.difference,
    routing: Math.max(0, ...routing.map(({ difference }) => difference)),
    share,
  };
}

async function distance(actual: tf.Tensor, expected: tf.Tensor): Promise<{ difference: number; share: number }> {
  if (actual.shape.join() !== expected.shape.join())
    throw new Error(`the shapes [${actual.shape.join(", ")}] and [${expected.shape.join(", ")}] differ`);
  const [a, b] = await Promise.all([actual.data(), expected.data()]);
  let [difference, share] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const apart = Math.abs(a[i] - b[i]);
    // A comparison with NaN is false: what is not a number is infinitely far.
    difference = apart <= difference ? difference : Number.isNaN(apart) ? Infinity : apart;
    share = Math.max(share, Number.isNaN(apart) ? Infinity : apart / (CLOSE.atol + CLOSE.rtol * Math.abs(b[i])));
  }
  return { difference, share };
}

async function tinyModels(
  transformers: TransformersProcess,
): Promise<{ rows: Row[]; versions: TransformersAnswer["versions"] }> {
  const rows: Row[] = [];
  const dense = tinyConfig({ numExperts: 0 });
  const tokens = randomTokens(dense, 2, 11, 32);
  const denseParams = randomParams(dense, 31);
  const answer = await transformers.run(denseParams, dense, tokens);
  rows.push(await compare("tiny dense", answer, compiledForward(denseParams, tokenTensor(tokens), dense)));
  rows.push(await mergedForPrompt(transformers));
  for (const keys of ROUTED_MODELS) {
    const config = tinyConfig(keys);
    const params = randomParams(config, 35);
    const ours = compiledForward(params, tokenTensor(tokens), config);
    rows.push(await compare(`tiny ${JSON.stringify(keys)}`, await transformers.run(params, config, tokens), ours));
  }
  for (const keys of PROMPTED_MODELS) {
    const config = tinyConfig(keys);
    const params = randomParams(config, 37);
    const prompts = randomTokens(config, 3, 9, 38);
    const lengths = [4, 9, 1];
    const ours = compiledPromptForward(params, tokenTensor(prompts), tf.tensor1d(lengths, "int32"), config);
    const theirs = await transformers.run(params, config, prompts, lengths);
    rows.push(await compare(`tiny, by prompts ${JSON.stringify(keys)}`, theirs, ours));
  }
  return { rows, versions: answer.versions };
}

async function mergedForPrompt(transformers: TransformersProcess): Promise<Row> {
  const config = tinyConfig();
  const params = randomParams(config, 33);
  const tokens = randomTokens(config, 2, 9, 34);
  const promptLength_B = tf.tensor1d([4, 9], "int32");
  const layers = compiledMerge(params, tokenTensor(tokens), promptLength_B, config);
  const merged = { ...params, layers: params.layers.map((layer, i) => ({ ...layer, ffn: layers[i] })) };
  const row: Params = denseRow(merged, 1);
  const { logits_BLV } = compiledPromptForward(params, tokenTensor(tokens), promptLength_B, config);
  const ours = { logits_BLV: tf.slice(logits_BLV, [1, 0, 0], [1, -1, -1]), routing: [] };
  const theirs = await transformers.run(row, { ...config, numExperts: 0 }, [tokens[1]]);
  return compare("tiny, merged for a prompt", theirs, ours);
}

/** Of the sizes that are trained, with weights as they are before training. */
const PRESETS: readonly [string, ModelConfig][] = [
  ["5m, 8 experts", modelConfig({ preset: "5m", numExperts: 8 })],
  ["20m, 8 experts, token choice", modelConfig({ preset: "20m", numExperts: 8, routingMode: "token_choice" })],
  ["0.3b", modelConfig({ preset: "0.3b", contextLength: 512 })],
];

async function presets(transformers: TransformersProcess): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [name, config] of PRESETS) {
    const params = initParams(config, 5);
    const tokens = randomTokens(config, 1, Math.min(config.contextLength, 512), 6);
    const theirs = await transformers.run(params, config, tokens);
    rows.push(await compare(name, theirs, compiledForward(params, tokenTensor(tokens), config)));
    tf.dispose(params);
  }
  return rows;
}

async function main(): Promise<void> {
  const { backend, device } = await init();
  const transformers = await TransformersProcess.start();
  try {
    const { rows: tiny, versions } = await tinyModels(transformers);
    const rows = [...tiny, ...(await presets(transformers))];
    const file = path.join("results/interop", `transformers-${versions.transformers.split(".")[0]}.json`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    const record = { versions, backend, device, date: new Date().toISOString().slice(0, 10), tolerance: CLOSE, rows };
    fs.writeFileSync(file, `${JSON.stringify(record, null, 2)}\n`);
    console.log(`written: ${file}`);
    if (rows.some(({ share }) => share > 1)) process.exitCode = 1;
  } finally {
    await transformers.end();
  }
}

void main();
