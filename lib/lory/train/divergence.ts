import fs from "node:fs/promises";
import path from "node:path";
import type { TrainBatch } from "../data";
import { npyFileHeader } from "../data/npy";
import { readJson, writeDurably } from "./durable-file";
import type { DivergedStep } from "./diverged-error";
import type { Finiteness, StepInspection } from "./inspect-step";

/** Where the first number is that is not finite, in the order in which a step computes. */
export interface FirstNotFinite {
  /** `parameters`: they were not finite before the step, so that an update before it made them so. */
  readonly what: "parameters" | "activations" | "loss" | "gradients" | "gradient norm";
  /** Of the tensor: see `Finiteness`. */
  readonly name: string | null;
  /** Counted from 0; null for what lies in no layer. */
  readonly layer: number | null;
}

/** `diverged.json`: what is known of a step with which a training ended. */
export interface Divergence extends DivergedStep {
  /** A `.npy` file beside it with the tokens of the step's batch: a row for each sequence, the last token a target only. */
  readonly batch: string;
  /** Of the checkpoint from which the steps before were trained again, to have the state which the step began with; 0 is the initial state. */
  readonly replayedFrom: number;
  /** Whether they gave the numbers that had been recorded, bit for bit. If not, what follows may be of another state. */
  readonly isReplayExact: boolean;
  /** Null if nothing was found: see `inspectStep` for why that can be, or if the steps were not trained again to the end. */
  readonly first: FirstNotFinite | null;
  readonly inspection: StepInspection | null;
}

const FILE = "diverged.json";
const BATCH_FILE = "diverged-batch.npy";

/** What comes first in the order of a step: its parameters, activations, the loss, gradients from the last layer down, their norm. */
export function firstNotFinite(step: StepInspection): FirstNotFinite | null {
  const spoilt = ({ notFinite }: Finiteness): boolean => notFinite > 0;
  const at = (what: FirstNotFinite["what"], name: string | null): FirstNotFinite => ({
    what,
    name,
    layer: name === null ? null : layerOf(name),
  });
  const parameter = step.parameters.find(spoilt);
  if (parameter) return at("parameters", parameter.name);
  const activation = step.activations.find(spoilt);
  if (activation) return at("activations", activation.name);
  if (!Number.isFinite(step.lossNats)) return at("loss", null);
  const gradient = step.gradients.findLast(spoilt);
  if (gradient) return at("gradients", gradient.name);
  if (Number.isFinite(step.gradNorm)) return null;
  return at("gradient norm", step.gradients.reduce((a, b) => (b.largest > a.largest ? b : a)).name);
}

/** In words, for a message. */
export function firstNotFiniteText({ first }: Divergence): string {
  if (first === null) return "no number that is not finite was found when it was computed again";
  const { what, name } = first;
  if (what === "loss") return "the first numbers that are not finite are the losses, after finite activations";
  if (what === "gradient norm") return `every gradient is finite, the largest that of ${name}, but the norm overflows`;
  return `the first numbers that are not finite are ${what} of ${name}${what === "parameters" ? ", before the step" : ""}`;
}

/** Writes `diverged.json` and the batch to a run directory. */
export async function writeDivergence(
  dir: string,
  divergence: Omit<Divergence, "batch">,
  { tokens_BM }: TrainBatch,
  batchSize: number,
): Promise<Divergence> {
  const complete: Divergence = { ...divergence, batch: BATCH_FILE };
  const header = npyFileHeader("<i4", [batchSize, tokens_BM.length / batchSize]);
  const bytes = Buffer.from(tokens_BM.buffer, tokens_BM.byteOffset, tokens_BM.byteLength);
  await fs.writeFile(path.join(dir, BATCH_FILE), Buffer.concat([header, bytes]));
  // JSON has no word for what is not finite.
  const json = JSON.stringify(complete, (_, value: unknown) => (isNotFinite(value) ? String(value) : value), 2);
  await writeDurably(path.join(dir, FILE), `${json}\n`);
  return complete;
}

/** What `writeDivergence` wrote; undefined for a run that has not diverged. */
export async function readDivergence(dir: string): Promise<Divergence | undefined> {
  return readJson<Divergence>(path.join(dir, FILE), (_, value) =>
    value === "NaN" || value === "Infinity" || value === "-Infinity" ? Number(value) : value,
  );
}

function isNotFinite(value: unknown): boolean {
  return typeof value === "number" && !Number.isFinite(value);
}

function layerOf(name: string): number | null {
  const number = /^layers\.(\d+)(\.|$)/.exec(name)?.[1];
  return number === undefined ? null : Number(number);
}
