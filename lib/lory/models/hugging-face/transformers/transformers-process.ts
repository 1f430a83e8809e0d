import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type * as tf from "@tensorflow/tfjs-core";
import { projectFolder } from "../../../data/project-folder";
import { LineProcess } from "../../../testing/line-process";
import type { ModelConfig } from "../../config";
import type { Params } from "../../params";
import { readSafetensors } from "../../safetensors";
import { exportHuggingFace } from "..";

/** What transformers makes of an exported model. */
export interface TransformersAnswer {
  readonly class: string;
  readonly logits_BLV: tf.Tensor;
  /** Of each layer with experts. */
  readonly routing: readonly tf.Tensor[];
  /** By transformers' own count, nats a token. */
  readonly loss: number;
  readonly versions: Readonly<Record<string, string>>;
}

/** A Python with torch and transformers: what LORY_INTEROP_PYTHON names, or what `npm run setup -- --interop` makes. */
export const transformersPython = (): string =>
  process.env.LORY_INTEROP_PYTHON ?? path.join(projectFolder(), ".cache", "interop", "python");

/** transformers in a process of its own, which reads what is exported to it; started once for many models, since importing it takes seconds. */
export class TransformersProcess {
  readonly #folder: string;
  readonly #process: LineProcess;
  #count = 0;

  private constructor(folder: string) {
    const env = { HF_HUB_OFFLINE: "1", HF_HOME: path.join(folder, "home") };
    const script = path.join(
      path.dirname(require.resolve("lory/package.json")),
      "models/hugging-face/transformers/transformers_logits.py",
    );
    this.#folder = folder;
    this.#process = new LineProcess(transformersPython(), [script], env);
  }

  static async start(): Promise<TransformersProcess> {
    return new TransformersProcess(await fs.mkdtemp(path.join(os.tmpdir(), "transformers-")));
  }

  /** Exports a model, has transformers load it, and runs it on rows of tokens. */
  async run(
    params: Params,
    config: ModelConfig,
    tokens: readonly (readonly number[])[],
    promptLength: readonly number[] | null = null,
  ): Promise<TransformersAnswer> {
    const folder = path.join(this.#folder, String(this.#count++));
    const out = `${folder}.safetensors`;
    await exportHuggingFace(folder, params, config);
    const question = { folder, tokens, prompt_length: promptLength, out };
    const { routedLayers, ...answer } = await this.#process.ask<
      Pick<TransformersAnswer, "class" | "loss" | "versions"> & { readonly routedLayers: number }
    >(question);
    await fs.rm(folder, { recursive: true });
    const { tensors } = await readSafetensors(out);
    const named = (name: string): tf.Tensor => tensors.find((each) => each.name === name)!.tensor;
    const routing = Array.from({ length: routedLayers }, (_, i) => named(`routing.${i}`));
    return { ...answer, logits_BLV: named("logits"), routing };
  }

  async end(): Promise<void> {
    await this.#process.end();
    await fs.rm(this.#folder, { recursive: true });
  }
}
