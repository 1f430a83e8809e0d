import type * as tf from "@tensorflow/tfjs-core";
import type { NamedTensor } from "../models";
import type { TensorSpec } from "../models/safetensors";
import type { TrainState } from "./train-step";

/** Where a part of the training state lies in a checkpoint. */
export type StatePart = { readonly file: string } & (
  | { /** A tensor for each parameter, of its shape and in its order; before its name. */ readonly prefix: string }
  | { /** One number. */ readonly scalar: string }
);

const MODEL_FILE = "model.safetensors";
const OPTIMIZER_FILE = "optimizer.safetensors";

/** Every part that a state can have. A new one needs a line here, and is then saved and restored like the others. */
export const STATE_PARTS = {
  params: { file: MODEL_FILE, prefix: "" },
  m: { file: OPTIMIZER_FILE, prefix: "m." },
  v: { file: OPTIMIZER_FILE, prefix: "v." },
  /** The running mean of the weights, where one is kept. */
  ema: { file: "ema.safetensors", prefix: "" },
  /** The coefficient of the L1 penalty, of trainings that adapt one. */
  l1Coefficient: { file: OPTIMIZER_FILE, scalar: "l1_coefficient" },
} as const satisfies Record<keyof TrainState, StatePart>;

export type StatePartName = keyof typeof STATE_PARTS;

const NAMES = Object.keys(STATE_PARTS) as StatePartName[];

/** The names that tensors of a part have in its file, with their shapes. */
function partSpecs(part: StatePart, specs: readonly TensorSpec[]): TensorSpec[] {
  if ("scalar" in part) return [{ name: part.scalar, shape: [], dtype: "float32" }];
  return specs.map((spec) => ({ ...spec, name: `${part.prefix}${spec.name}` }));
}

/** The tensors that each file of a checkpoint holds, for a state with these parts. */
export function fileSpecs(specs: readonly TensorSpec[], parts: readonly StatePartName[]): Map<string, TensorSpec[]> {
  const files = new Map<string, TensorSpec[]>();
  for (const part of parts.map((name) => STATE_PARTS[name])) {
    files.set(part.file, [...(files.get(part.file) ?? []), ...partSpecs(part, specs)]);
  }
  return files;
}

/** The parts that a state has, in the table's order. */
export function partsIn(state: TrainState): StatePartName[] {
  return NAMES.filter((name) => state[name] !== undefined);
}

/** The tensors of a state by file, under the names that they have there. */
export function stateFiles(specs: readonly TensorSpec[], state: TrainState): Map<string, NamedTensor[]> {
  const files = new Map<string, NamedTensor[]>();
  for (const name of partsIn(state)) {
    const part = STATE_PARTS[name];
    const tensors = [state[name]!].flat();
    const named = partSpecs(part, specs).map((spec, i) => ({ name: spec.name, tensor: tensors[i] }));
    files.set(part.file, [...(files.get(part.file) ?? []), ...named]);
  }
  return files;
}

/** The state whose tensors are found under the names of `stateFiles`. */
export function stateFrom(
  specs: readonly TensorSpec[],
  parts: readonly StatePartName[],
  find: (file: string, name: string) => tf.Tensor,
): TrainState {
  const entries = parts.map((name): [StatePartName, tf.Tensor | tf.Tensor[]] => {
    const part = STATE_PARTS[name];
    const tensors = partSpecs(part, specs).map((spec) => find(part.file, spec.name));
    return [name, "scalar" in part ? tensors[0] : tensors];
  });
  return Object.fromEntries(entries) as unknown as TrainState;
}
