import type { DeviceBuffer } from "../pjrt";
import { makeOp, type Op, type TensorType, type Value } from "../stablehlo";
import type { ProgramOptions, XlaDevice } from "./device";
import type { Graph } from "./graph";

/** A compiled function's program. */
export interface Program {
  readonly module: string;
  readonly parameters: readonly TensorType[];
  /** Parameters whose memory it takes for results. */
  readonly overwritten: ReadonlySet<number>;
  readonly results: readonly TensorType[];
  readonly options?: ProgramOptions;
}

/** A call whose program, or whose inputs, are not there yet. */
interface DeferredCall {
  readonly program: Program;
  readonly inputs: readonly Value[];
  /** What was recorded before the call and needs data that the call overwrites: it is computed first. */
  readonly before: readonly Value[];
  readonly op: Op;
}

/** What a backend does for the calls. */
export interface Computing {
  /** All that has been recorded and can be computed. */
  recorded(): Value[];
  compute(values: readonly Value[]): Promise<void>;
  computeSync(values: readonly Value[]): void;
  upload(value: Value): DeviceBuffer;
}

/** When this many calls wait they are run, blocking: their inputs take memory. */
const MAX_DEFERRED = 16;

/**
 * Calls of compiled functions that have returned before their program was compiled. Their results are values of an operation `call`,
 * which no program contains: whoever needs such a value has the calls run, in the order in which they were made.
 */
export class DeferredCalls {
  readonly #waiting: DeferredCall[] = [];
  readonly #failures = new WeakMap<Op, unknown>();
  #someFailed = false;
  #running: Promise<void> | undefined;

  constructor(
    private readonly graph: Graph,
    private readonly device: XlaDevice,
    private readonly computing: Computing,
  ) {}

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** What is to be computed before a program may run on these inputs: themselves, and all that needs what it overwrites. */
  needsOf(program: Program, inputs: readonly Value[]): Value[] {
    return this.#withoutData([...inputs, ...this.#before(program, inputs)]);
  }

  /** Puts a call off. Its results are there once they are needed, or some time after this turn of the event loop. */
  defer(program: Program, inputs: readonly Value[]): readonly Value[] {
    if (program.results.length === 0) return [];
    if (this.#waiting.length >= MAX_DEFERRED) this.runSync();
    const before = this.#before(program, inputs);
    for (const value of before) this.graph.hold(value);
    const results = makeOp("call", inputs, program.results);
    this.#waiting.push({ program, inputs, before, op: results[0].op });
    setImmediate(() => void this.run());
    return results;
  }

  /** Whether a value hangs on a call that has failed. */
  hasFailed(value: Value): boolean {
    return this.#unfinished([value]).some((op) => this.#failures.has(op));
  }

  /** Runs, blocking, the calls that the values hang on. Throws what such a call has failed with. */
  runFor(roots: readonly Value[]): void {
    const calls = this.#unfinished(roots);
    if (calls.some((op) => !this.#failures.has(op))) this.runSync();
    this.#demand(calls);
  }

  /** Like {@link runFor}; the event loop stays free. */
  async runForAsync(roots: readonly Value[]): Promise<void> {
    const calls = this.#unfinished(roots);
    if (calls.some((op) => !this.#failures.has(op))) await this.run();
    this.#demand(calls);
  }

  /** Runs all calls, blocking. What one fails with is thrown to those who need its results. */
  runSync(): void {
    for (let call = this.#waiting[0]; call !== undefined; call = this.#waiting[0]) this.#finish(call);
  }

  /** Like {@link runSync}; the event loop stays free. */
  run(): Promise<void> {
    return (this.#running ??= this.#run().finally(() => (this.#running = undefined)));
  }

  async #run(): Promise<void> {
    for (let call = this.#waiting[0]; call !== undefined; call = this.#waiting[0]) {
      try {
        await this.#prepare(call);
        if (this.#waiting[0] === call) this.#finish(call); // else it was run, blocking, meanwhile
      } catch (error) {
        if (this.#waiting[0] === call) this.#settle(call, error);
      }
    }
  }

  /** Brings what the call needs, but does not run it. */
  async #prepare(call: DeferredCall): Promise<void> {
    if (this.#liveResults(call) === 0) return;
    await this.computing.compute(this.#withoutData([...call.inputs, ...call.before]));
    await this.device.compileAsync(call.program.module, call.program.options);
    for (const i of this.#shared(call)) await this.device.prepareCopy(call.program.parameters[i]);
  }

  #finish(call: DeferredCall): void {
    try {
      this.#execute(call);
      this.#settle(call);
    } catch (error) {
      this.#settle(call, error);
    }
  }

  /** Inputs that the call would overwrite, but something else needs too: the program gets a copy. */
  #shared(call: DeferredCall): number[] {
    const live = this.#liveResults(call);
    return [...call.program.overwritten].filter((i) => this.graph.holdersOf(call.inputs[i]) > live);
  }

  #execute(call: DeferredCall): void {
    const { program, inputs, before, op } = call;
    if (this.#liveResults(call) === 0) return;
    this.computing.computeSync(this.#withoutData([...inputs, ...before]));
    const buffers = inputs.map((value) => this.computing.upload(value));
    const copied = this.#shared(call);
    for (const i of copied) buffers[i] = this.device.copy(buffers[i], program.parameters[i]);
    try {
      const executable = this.device.compile(program.module, program.options);
      const outputs = this.device.execute(executable, program.parameters, buffers);
      op.results.forEach((value, i) => this.graph.bind(value, outputs[i]));
    } finally {
      for (const i of copied) buffers[i].destroy();
    }
  }

  #settle(call: DeferredCall, error?: unknown): void {
    this.#waiting.splice(this.#waiting.indexOf(call), 1);
    for (const value of call.before) this.graph.release(value);
    if (error === undefined) return;
    this.#failures.set(call.op, error);
    this.#someFailed = true;
  }

  #demand(calls: readonly Op[]): void {
    for (const op of calls) if (this.#failures.has(op)) throw this.#failures.get(op);
  }

  #before({ overwritten }: Program, inputs: readonly Value[]): Value[] {
    return [...overwritten].some((i) => this.graph.isAwaited(inputs[i])) ? this.computing.recorded() : [];
  }

  /** How many results of a call something still needs: the call's inputs are held as often. */
  #liveResults({ op }: DeferredCall): number {
    return op.results.filter((value) => this.graph.holdersOf(value) > 0).length;
  }

  /** Calls that have not been run, or have failed, and that the values hang on. */
  #unfinished(roots: readonly Value[]): Op[] {
    return this.isEmpty && !this.#someFailed ? [] : this.graph.missing(roots, "call");
  }

  #withoutData(values: readonly Value[]): Value[] {
    return values.filter((value) => !this.graph.hasData(value));
  }
}
