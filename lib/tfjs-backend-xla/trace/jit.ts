import * as tf from "@tensorflow/tfjs-core";
import { XlaBackend } from "../backend";
import type { DeviceBuffer } from "../pjrt";
import { currentPrecision, precision, type Precision } from "../precision";
import { CallSite } from "./call-site";
import { tensorDType } from "./dtypes";
import { record, isSlot, type Recording } from "./record";
import { RetracingWatch } from "./retracing";
import { staticText } from "./static";
import { flatten, isTensor, mapLeaves, type FlatTree } from "./tree";

export interface JitOptions {
  /** Positions of arguments whose tensors are given away: their memory is reused for results, and they are disposed. */
  readonly donate?: readonly number[];
  /**
   * Positions of arguments that are part of the program: the function sees them as they are, and another one makes another program.
   * Functions and instances of classes are told apart by identity, all else by value. They hold no tensors.
   */
  readonly static?: readonly number[];
  /** How errors call the function; its own name by default. */
  readonly name?: string;
  /** How its contractions are computed, whatever the caller's `precision`; the caller's by default. */
  readonly precision?: Precision;
  /** Whether it gives the same bits each time on one machine; see {@link ProgramOptions}. `XLA_DETERMINISTIC=1` has all programs do so. */
  readonly deterministic?: boolean;
}

/** A compiled function: call it, or compile it beforehand without blocking the event loop. */
export interface Jitted<A extends readonly unknown[], R> {
  (...args: A): R;
  /** Traces and compiles for arguments of these shapes and types; runs nothing. */
  prepare(...args: A): Promise<void>;
  /** Traces for arguments of these shapes and types, and returns the program as StableHLO text; undefined on other backends than `xla`. */
  lower(...args: A): string | undefined;
}

/**
 * Compiles a function of tensors into one program. It is traced once for each structure, shape and type of its arguments; numbers, strings
 * and booleans among them are part of the program. `tf.grads` and tidy work inside; variables that it assigns become outputs.
 * On a backend other than `xla`, and inside of a gradient or of another compiled function, it is simply run. A function that is traced over
 * and over says so once, with the reason, on the console.
 * A call returns before its program is compiled: its results wait for that where they are read, and `await x.data()` leaves the event loop
 * free meanwhile. What XLA refuses is thrown to those who read.
 *
 * @param body takes and returns tensors in plain objects and arrays. It must not read values.
 * @throws while tracing, with the line and the operation: if a value is read, an operation gives a shape that depends on data, or a
 * tensor of an earlier trace is used; if a variable is created or disposed of. When called: if memory to be donated is shared, or an
 * argument has been donated before.
 */
export function jit<A extends readonly unknown[], R>(body: (...args: A) => R, options: JitOptions = {}): Jitted<A, R> {
  const name = options.name ?? (body.name || "a compiled function");
  const { precision: own, deterministic } = options;
  const fn = own === undefined ? body : (...args: A): R => precision(own, () => body(...args));
  const [donate, fixed] = [positions(name, "donate", options.donate), positions(name, "static", options.static)];
  const both = [...donate].filter((i) => fixed.has(i));
  if (both.length > 0) throw new RangeError(`${name}: argument ${both[0]} is static, so there is nothing to donate`);
  const recordings = new WeakMap<XlaBackend, Map<string, Recording>>();
  const watch = new RetracingWatch(name);

  const lookUp = (backend: XlaBackend, args: A) => {
    const flat = args.map((arg, i): FlatTree => {
      if (!fixed.has(i)) return flatten(arg, `argument ${i} of ${name}`);
      return { tensors: [], structure: staticText(arg, `static argument ${i} of ${name}`) };
    });
    const tensors = flat.flatMap((arg) => arg.tensors);
    const donated = new Set(flat.flatMap((arg, i) => (donate.has(i) ? arg.tensors : [])));
    const types = tensors.map((t) => `${t.dtype}[${t.shape.join()}]`).join();
    const signature = `${currentPrecision()} ${flat.map((arg) => arg.structure).join("|")} ${types}`;
    let known = recordings.get(backend);
    if (!known) recordings.set(backend, (known = new Map<string, Recording>()));
    let recording = known.get(signature);
    if (!recording) {
      let next = 0;
      const apply = (standIns: readonly tf.Tensor[]) =>
        fn(
          ...(args.map((arg, i) =>
            fixed.has(i) ? arg : mapLeaves(arg, isTensor, () => standIns[next++]),
          ) as unknown as A),
        );
      const recorded = backend.device.recording({ deterministic }, () =>
        record(backend, name, apply, tensors, donated),
      );
      recording = { ...recorded, options: { deterministic } };
      known.set(signature, recording);
      watch.traced(args, fixed);
    }
    return { recording, tensors, donated };
  };

  const call = (...args: A): R => {
    const backend = tf.backend();
    if (!(backend instanceof XlaBackend)) return runPlainly(fn, args, donate);
    if (backend.trace || tf.engine().state.activeTape) return fn(...args);
    const { recording, tensors, donated } = lookUp(backend, args);
    return run(backend, name, recording, tensors, donated) as R;
  };
  const prepare = async (...args: A): Promise<void> => {
    const backend = tf.backend();
    if (!(backend instanceof XlaBackend)) return;
    const { module, options: how } = lookUp(backend, args).recording;
    await backend.device.compileAsync(module, how);
  };
  const lower = (...args: A): string | undefined => {
    const backend = tf.backend();
    return backend instanceof XlaBackend ? lookUp(backend, args).recording.module : undefined;
  };
  return Object.assign(call, { prepare, lower });
}

function run(
  backend: XlaBackend,
  name: string,
  recording: Recording,
  tensors: readonly tf.Tensor[],
  donated: ReadonlySet<tf.Tensor>,
): unknown {
  const inputs: tf.TensorInfo[] = [...tensors, ...recording.captured];
  for (const variable of [...recording.captured, ...recording.assigned]) {
    if (variable instanceof tf.Variable && variable.isDisposed)
      throw new Error(`${name} uses the variable ${variable.name}, which has been disposed`);
  }
  demandUnshared(backend, name, inputs, donated);
  const infos = backend.isReadyFor(recording, inputs)
    ? runOver(backend, recording, inputs)
    : backend.defer(recording, inputs);
  const made = infos.map((info) => tf.engine().makeTensorFromTensorInfo(info));
  if (donated.size > 0) {
    const site = new CallSite();
    for (const tensor of donated) backend.giveAway(tensor, () => `${name} at ${site.place()}`);
  }
  const numTensors = made.length - recording.assigned.length;
  const results = made.slice(0, numTensors);
  recording.assigned.forEach((variable, i) => {
    const value = made[numTensors + i];
    variable.assign(value);
    value.dispose();
  });
  return mapLeaves(recording.template, isSlot, (slot) => results[slot.index]);
}

/** Memory is given away only if no other tensor points to it. */
function demandUnshared(
  backend: XlaBackend,
  name: string,
  inputs: readonly tf.TensorInfo[],
  donated: ReadonlySet<tf.Tensor>,
): void {
  const uses = countUses(inputs);
  for (const tensor of donated) {
    const reason =
      uses.get(tensor.dataId)! > 1
        ? "it is passed to the function, or closed over, more than once"
        : backend.isShared(tensor) && "other tensors (clones or variables) share its memory";
    if (reason) throw new Error(`${name}: a tensor of shape [${tensor.shape.join(", ")}] cannot be donated: ${reason}`);
  }
}

/**
 * Executes the program. What is still to be computed from inputs that it overwrites is computed first; where anything else needs
 * such an input (a clone of a variable, a read under way), the program overwrites a copy.
 */
function runOver(
  backend: XlaBackend,
  { module, options, parameters, overwritten, results }: Recording,
  inputs: readonly tf.TensorInfo[],
): tf.TensorInfo[] {
  const { device } = backend;
  const buffers = backend.buffersOf(inputs);
  backend.settle(inputs.filter((_, i) => overwritten.has(i)));
  const uses = countUses(inputs);
  const copies = new Map<number, DeviceBuffer>();
  for (const i of overwritten) {
    const free = uses.get(inputs[i].dataId) === 1 && backend.isFree(inputs[i]);
    if (!free) copies.set(i, device.copy(buffers[i], parameters[i]));
  }
  try {
    const given = buffers.map((buffer, i) => copies.get(i) ?? buffer);
    const outputs = device.execute(device.compile(module, options), parameters, given);
    return outputs.map((buffer, i) => backend.adopt(buffer, tensorDType(results[i].dtype)));
  } finally {
    for (const copy of copies.values()) copy.destroy();
  }
}

function countUses(inputs: readonly tf.TensorInfo[]): Map<object, number> {
  const uses = new Map<object, number>();
  for (const { dataId } of inputs) uses.set(dataId, (uses.get(dataId) ?? 0) + 1);
  return uses;
}

function positions(name: string, option: string, given: readonly number[] = []): ReadonlySet<number> {
  const wrong = given.find((i) => !Number.isSafeInteger(i) || i < 0);
  if (wrong !== undefined) throw new RangeError(`${name}: ${option} names argument ${wrong}: positions count from 0`);
  return new Set(given);
}

/** The same meaning without compiling. */
function runPlainly<A extends readonly unknown[], R>(fn: (...args: A) => R, args: A, donate: ReadonlySet<number>): R {
  const result = tf.tidy(() => fn(...args) as tf.TensorContainer) as R;
  const returned = new Set(flatten(result, "the result").tensors);
  args.forEach((arg, i) => {
    if (donate.has(i)) for (const tensor of flatten(arg).tensors) if (!returned.has(tensor)) tensor.dispose();
  });
  return result;
}
