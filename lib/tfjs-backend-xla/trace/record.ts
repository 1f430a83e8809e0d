import * as tf from "@tensorflow/tfjs-core";
import type { XlaBackend } from "../backend";
import type { ProgramOptions } from "./device";
import { parameter, printModule, sameShape, type TensorType, type Value } from "../stablehlo";
import { TFJS_TYPE, tensorDType, tensorType } from "./dtypes";
import { flatten, isTensor, mapLeaves } from "./tree";
import { VariableSnapshot } from "./variables";

/** A traced function: its program, what it reads beside its arguments, and how its result is put together. */
export interface Recording {
  readonly module: string;
  readonly options?: ProgramOptions;
  readonly parameters: readonly TensorType[];
  /** Which parameters the program overwrites. */
  readonly overwritten: ReadonlySet<number>;
  readonly captured: readonly Captured[];
  /** Types of the program's results: the function's tensors, then the assigned variables. */
  readonly results: readonly TensorType[];
  readonly assigned: readonly tf.Variable[];
  /** The function's result with `Slot`s for its tensors. */
  readonly template: unknown;
}

/** Something closed over: a variable is looked up at each call; any other tensor is immutable, and kept. */
export type Captured = tf.Variable | tf.TensorInfo;

/** The place of a result's tensor: the n-th result of the program. */
export class Slot {
  constructor(readonly index: number) {}
}
export const isSlot = (node: unknown): node is Slot => node instanceof Slot;

/**
 * Runs a function once on stand-ins for its tensors and keeps what the kernels recorded, as a program.
 * @param fn the function of its arguments' tensors, in order; `donated` are those whose memory results may take.
 */
export function record(
  backend: XlaBackend,
  name: string,
  fn: (standIns: readonly tf.Tensor[]) => unknown,
  tensors: readonly tf.Tensor[],
  donated: ReadonlySet<tf.Tensor>,
): Recording {
  const engine = tf.engine();
  const variables = new VariableSnapshot(backend);
  const trace = backend.beginProgram(name, variables.dataIds);
  engine.startScope(name);
  let recorded = false;
  try {
    const standIns = tensors.map((t) => parameter(tensorType(t)));
    const result = fn(standIns.map((value) => engine.makeTensorFromTensorInfo(backend.tensorInfo(value))));
    if (result instanceof Promise) {
      result.catch(() => undefined); // what it fails with comes from the same mistake
      throw new TypeError(`${name} is asynchronous: a compiled function returns tensors, not a promise`);
    }
    const outputs = flatten(result, `the result of ${name}`).tensors.map((t) => backend.valueFor(t));
    const [created] = variables.created();
    if (created)
      throw new Error(
        `${name} creates the variable ${created.name}: a compiled function would create it only while it is traced; create it outside`,
      );
    const [disposed] = variables.disposed();
    if (disposed)
      throw new Error(
        `${name} disposes of the variable ${disposed.name}: a compiled function would do so only while it is traced; do it outside`,
      );
    const assigned = variables.assigned();
    const results = [...outputs, ...assigned.map((variable) => backend.valueFor(variable))];
    const captures = [...trace.captures];
    const parameters = [...standIns, ...captures.map(([, value]) => value)];
    const replaced = new Set<object>(assigned);
    const mayGive = [...tensors.map((t) => donated.has(t)), ...captures.map(([key]) => replaced.has(key))];
    const pairs = aliases(parameters, results, mayGive);
    const module = printModule({ name: identifier(name), parameters, results, aliases: pairs });
    recorded = true;
    return {
      module,
      parameters: parameters.map(({ type }) => type),
      overwritten: new Set(pairs.keys()),
      captured: captures.map(([key, { type }]) =>
        key instanceof tf.Variable
          ? key
          : { dataId: key, shape: [...type.shape], dtype: TFJS_TYPE[tensorDType(type.dtype)] },
      ),
      results: results.map(({ type }) => type),
      assigned,
      template: mapLeaves(result, isTensor, (_, index) => new Slot(index)),
    };
  } finally {
    variables.restore();
    engine.endScope();
    backend.endTrace();
    if (!recorded) for (const key of trace.captures.keys()) if (!(key instanceof tf.Variable)) backend.disposeData(key);
    variables.release();
  }
}

/** Pairs each parameter whose memory may be reused with the first unpaired result of its type. */
function aliases(
  parameters: readonly Value[],
  results: readonly Value[],
  mayGive: readonly boolean[],
): Map<number, number> {
  const pairs = new Map<number, number>();
  const taken = new Set<number>();
  parameters.forEach(({ type }, i) => {
    if (!mayGive[i]) return;
    const match = results.findIndex(
      (r, j) => !taken.has(j) && r.type.dtype === type.dtype && sameShape(r.type.shape, type.shape),
    );
    if (match < 0) return;
    taken.add(match);
    pairs.set(i, match);
  });
  return pairs;
}

/** A name that MLIR takes. */
const identifier = (name: string): string => name.replace(/\W+/g, "_") || "program";
