import type { DeviceBuffer, Executable } from "../pjrt";
import { inputsOf, printModule, type Value } from "../stablehlo";
import { computedOnce } from "./computed-once";
import { DeferredCalls, type Computing, type Program } from "./deferred";
import type { XlaDevice } from "./device";
import type { Graph, HostArray } from "./graph";

/** A program that computes recorded values: what it reads, what it returns. */
interface Work {
  readonly module: string;
  readonly leaves: Value[];
  readonly results: Value[];
}

/** Recorded operations that no read has asked for are computed when there are this many. */
const MAX_PENDING = 4096;

/**
 * So many kernels, each of which reads what the one before it made, are computed though no read has asked for it, whether or not tensors on the
 * way were disposed of: a program grows by each, and compiles for about a millisecond longer.
 */
const LONGEST_CHAIN = 1024;

/** Computes recorded values when they are needed, each set of them as one program. */
export class Computation implements Computing {
  /** Values of tensors that have been recorded since the last computation, to bound how much is put off. */
  readonly #pending = new Set<Value>();
  /** Of recorded values: kernels, one behind the other, that lead from data to them. */
  readonly #chains = new WeakMap<Value, number>();
  /** Calls of compiled functions whose programs, or inputs, are still to be compiled. */
  readonly #deferred: DeferredCalls;
  /** Programs that reads wait for while they are compiled. */
  readonly #compiling = new Set<Work>();

  constructor(
    private readonly graph: Graph,
    private readonly device: XlaDevice,
  ) {
    this.#deferred = new DeferredCalls(graph, device, this);
  }

  /** A tensor's value has been recorded. */
  add(value: Value): void {
    this.#pending.add(value);
    const chain = 1 + this.#chainBefore(value);
    this.#chains.set(value, chain);
    if (this.#pending.size > MAX_PENDING || chain > LONGEST_CHAIN) this.flush();
  }

  /** Kernels that have to be computed, one behind the other, before a kernel's result can be. */
  #chainBefore({ op }: Value): number {
    let longest = 0;
    const seen = new Set<Value>();
    const pending = [...inputsOf(op)];
    for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
      if (seen.has(value) || this.graph.hasData(value)) continue;
      seen.add(value);
      const chain = this.#chains.get(value);
      if (chain === undefined) pending.push(...inputsOf(value.op));
      else longest = Math.max(longest, chain);
    }
    return longest;
  }

  /** No tensor has the value any more. */
  remove(value: Value): void {
    this.#pending.delete(value);
  }

  /** Forgets what is recorded. */
  clear(): void {
    this.#pending.clear();
  }

  /** Waits until everything recorded so far has been computed. */
  async sync(): Promise<void> {
    await this.#deferred.run();
    const values = [...this.#pending];
    for (const value of values) this.graph.hold(value);
    try {
      await this.compute(values);
      const buffers = values.flatMap((value) => this.graph.bufferOf(value) ?? []);
      for (const buffer of buffers) await this.device.ready(buffer);
      for (const value of values) this.#pending.delete(value);
    } finally {
      for (const value of values) this.graph.release(value);
    }
  }

  /** Computes, blocking, everything recorded so far. */
  flush(): void {
    this.computeSync(this.recorded());
    this.#pending.clear();
  }

  recorded(): Value[] {
    const awaited = [...this.#compiling].flatMap(({ results }) => results);
    return [...this.#pending, ...awaited].filter((value) => !this.#deferred.hasFailed(value));
  }

  /** A value's elements; the event loop stays free while they are computed. */
  async read(value: Value): Promise<HostArray> {
    const origin = this.originOf(value);
    this.graph.hold(origin);
    try {
      await this.compute([origin]);
      const buffer = this.graph.bufferOf(origin);
      return this.graph.hostOf(origin)?.slice() ?? ((await this.device.read(buffer!)) as HostArray);
    } finally {
      this.graph.release(origin);
    }
  }

  /** Like {@link read}, blocking. */
  readSync(value: Value): HostArray {
    const origin = this.originOf(value);
    this.computeSync([origin]);
    return this.graph.hostOf(origin)?.slice() ?? (this.device.readSync(this.graph.bufferOf(origin)!) as HostArray);
  }

  /** The buffers of values, computed and copied to the device if they are not there yet. */
  buffersOf(values: readonly Value[]): DeviceBuffer[] {
    const missing = values.filter((value) => !this.graph.hasData(value));
    if (missing.length > 0) this.computeSync(missing);
    return values.map((value) => this.upload(value));
  }

  /** Whether a program can be run on these values at once, since nothing is to be compiled for that; computes what it needs if so. */
  isReadyFor(program: Program, values: readonly Value[]): boolean {
    if (!this.#deferred.isEmpty || !this.device.has(program.module, program.options)) return false;
    const needed = this.#deferred.needsOf(program, values);
    const work = this.#plan(needed);
    if (work && !this.device.has(work.module)) return false;
    this.computeSync(needed);
    return true;
  }

  /** Has a program run once it and what it needs are compiled; its results. */
  defer(program: Program, values: readonly Value[]): readonly Value[] {
    return this.#deferred.defer(program, values);
  }

  /** Reshapes keep the order of elements: until one is computed itself, the data of what was reshaped will do. */
  originOf(value: Value): Value {
    while (value.op.name === "reshape" && !this.graph.hasData(value)) value = value.op.operands[0];
    return value;
  }

  computeSync(roots: readonly Value[]): void {
    this.#deferred.runFor(roots);
    const work = this.#plan(roots);
    if (work) this.#finish(work, this.#execute(work, this.device.compile(work.module)));
  }

  async compute(roots: readonly Value[]): Promise<void> {
    await this.#deferred.runForAsync(roots);
    const work = this.#plan(roots);
    if (!work) return;
    const needed = [...work.leaves, ...work.results];
    for (const value of needed) this.graph.hold(value);
    this.#compiling.add(work);
    try {
      const program = await this.device.compileAsync(work.module);
      const computed = work.results.every((value) => this.graph.hasData(value)); // by another read, or before a donation
      if (!computed) this.#finish(work, this.#execute(work, program));
    } finally {
      this.#compiling.delete(work);
      for (const value of needed) this.graph.release(value);
    }
  }

  upload(value: Value): DeviceBuffer {
    const buffer = this.graph.bufferOf(value);
    if (buffer) return buffer;
    const made = this.device.upload(this.graph.hostOf(value)!, value.type);
    this.graph.bind(value, made);
    return made;
  }

  #plan(roots: readonly Value[]): Work | undefined {
    const { leaves, results } = this.graph.cut(roots);
    if (results.length === 0) return undefined;
    const once = this.device.kind === "cpu" ? computedOnce(leaves, results) : undefined;
    return { module: printModule({ name: "recorded", parameters: leaves, results, once }), leaves, results };
  }

  #execute({ leaves }: Work, program: Executable): DeviceBuffer[] {
    return this.device.execute(
      program,
      leaves.map((leaf) => leaf.type),
      leaves.map((leaf) => this.upload(leaf)),
    );
  }

  #finish({ results }: Work, buffers: DeviceBuffer[]): void {
    results.forEach((value, i) => {
      if (this.graph.hasData(value)) buffers[i].destroy();
      else this.graph.bind(value, buffers[i]);
    });
  }
}
