import * as tf from "@tensorflow/tfjs-core";
import type { DeviceBuffer } from "./pjrt";
import { parameter, reshape, sizeOf, type Value } from "./stablehlo";
import { deviceType, tensorDType, TFJS_TYPE, type TensorDType } from "./trace/dtypes";
import type { DeviceKind, XlaDevice } from "./trace/device";
import { CallSite } from "./trace/call-site";
import { Computation } from "./trace/computation";
import type { Program } from "./trace/deferred";
import { leaked, madeBy, type Entry } from "./trace/entry";
import { Graph } from "./trace/graph";
import { asConstant, hostArray } from "./trace/host-array";
import { ProgramTrace, RegionTrace, type Trace } from "./trace/traces";

/**
 * A TensorFlow.js backend that records kernels as StableHLO and computes what is read, as one program compiled by XLA.
 * Memory follows tfjs's dispose and tidy exactly: a buffer goes when no tensor, and nothing that is still to be computed, needs it. What
 * is dropped without being disposed of goes when it is collected.
 */
export class XlaBackend extends tf.KernelBackend {
  readonly #entries = new tf.DataStorage<Entry>(this, tf.engine());
  readonly #graph = new Graph();
  readonly #traces: Trace[] = [];
  readonly #computation: Computation;
  /** What to say of data that a program has taken. */
  readonly #givenAway = new WeakMap<object, () => string>();
  /** Tensors that were collected without having been disposed of: what they held goes as if they had been. */
  readonly #dropped = new FinalizationRegistry<Entry>((entry) => {
    this.#numDropped++;
    this.#letGo(entry);
  });
  #numDropped = 0;

  /** @param hostElements kernels on at most so many numbers that are on the host stay there: see `staysOnHost` */
  constructor(
    readonly device: XlaDevice,
    readonly hostElements = 0,
  ) {
    super();
    this.#computation = new Computation(this.#graph, device);
  }

  // ---- tfjs's storage ------------------------------------------------------------------------------------------
  override write(values: tf.BackendValues, shape: number[], dtype: tf.DataType): object {
    const dataId = {};
    const { trace } = this;
    const type = trace && deviceType(dtype);
    const constant = type && type !== "c64" && asConstant(hostArray(values, type, sizeOf(shape)), type, shape);
    if (constant) this.#attach(dataId, { dtype, refCount: 1, trace }, constant);
    else this.move(dataId, values, shape, dtype, 1);
    return dataId;
  }

  override move(dataId: object, values: tf.BackendValues, shape: number[], dtype: tf.DataType, refCount: number): void {
    const type = deviceType(dtype);
    if (!type) {
      this.#entries.set(dataId, { dtype, refCount, strings: values });
      return;
    }
    const value = parameter({ dtype: type, shape });
    this.#graph.bindHost(value, hostArray(values, type, sizeOf(shape)));
    this.#attach(dataId, { dtype, refCount }, value);
  }

  override async read(dataId: object): Promise<tf.BackendValues> {
    const { strings, value } = this.#readable(dataId);
    return strings ?? this.#computation.read(value!);
  }

  override readSync(dataId: object): tf.BackendValues {
    const { strings, value } = this.#readable(dataId);
    return strings ?? this.#computation.readSync(value!);
  }

  override disposeData(dataId: object, force = false): boolean {
    if (!this.#entries.has(dataId)) return true;
    const entry = this.#entries.get(dataId);
    entry.refCount--;
    if (!force && entry.refCount > 0) return false;
    this.#entries.delete(dataId);
    this.#dropped.unregister(entry);
    this.#letGo(entry);
    return true;
  }

  override incRef(dataId: object): void {
    this.#entries.get(dataId).refCount++;
  }

  override refCount(dataId: object): number {
    return this.#entries.has(dataId) ? this.#entries.get(dataId).refCount : 0;
  }

  override numDataIds(): number {
    return this.#entries.numDataIds() - this.#numDropped;
  }

  /** Forgets what is recorded and not computed; the device stays open, for the process. */
  override dispose(): void {
    this.#computation.clear();
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: false };
  }

  override floatPrecision(): 16 | 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override timerAvailable(): boolean {
    return true;
  }

  /** Milliseconds until all that `f` recorded has been computed. */
  override async time(f: () => void): Promise<tf.BackendTimingInfo> {
    const start = process.hrtime.bigint();
    f();
    await this.sync();
    return { kernelMs: Number(process.hrtime.bigint() - start) / 1e6 };
  }

  // ---- what kernels see ----------------------------------------------------------------------------------------
  /** The value of a kernel's input, in the input's own shape. */
  valueFor(tensor: tf.TensorInfo): Value {
    const { shape } = tensor;
    const entry = this.#entryOf(tensor);
    if (!entry.value) throw new Error(`a ${entry.dtype} tensor cannot be computed with on the device`);
    if (entry.trace !== undefined && !this.#traces.includes(entry.trace)) throw leaked(entry, entry.trace, shape);
    return reshape(this.#valueAt(this.#traces.length - 1, tensor, entry), shape);
  }

  /**
   * Whether a kernel with these inputs and results is to run on the host at once: outside of traces, all inputs are there, and all is
   * small. To compile a program for it would take thousands of times as long.
   */
  staysOnHost(inputs: readonly tf.TensorInfo[], results: readonly Value[]): boolean {
    if (this.hostElements === 0 || this.trace) return false;
    if (inputs.some(({ dtype }) => dtype === "complex64") || results.some(({ type }) => type.dtype === "c64"))
      return false; // the host holds them in two parts
    const sizes = [...inputs.map(({ shape }) => sizeOf(shape)), ...results.map(({ type }) => sizeOf(type.shape))];
    if (sizes.reduce((sum, size) => sum + size, 0) > this.hostElements) return false;
    return inputs.every(
      ({ dataId }) => this.#graph.hostOf(this.#computation.originOf(this.#entries.get(dataId).value!)) !== undefined,
    );
  }

  /** A tensor for a recorded value. */
  tensorInfo(value: Value): tf.TensorInfo {
    const dtype = TFJS_TYPE[tensorDType(value.type.dtype)];
    const dataId = {};
    const trace = this.trace;
    const origin = trace && { kernel: trace.lastKernel, site: CallSite.ofKernel() };
    this.#attach(dataId, { dtype, refCount: 1, trace, origin }, value);
    if (!trace) this.#computation.add(value);
    return { dataId, shape: [...value.type.shape], dtype };
  }

  /** Another tensor over the same data, which holds no memory of its own; what a trace takes from outside becomes its own. */
  share(tensor: tf.TensorInfo): tf.TensorInfo {
    const { value, trace } = this.#entryOf(tensor);
    if (value && trace !== this.trace) return this.tensorInfo(this.valueFor(tensor));
    const { dataId, shape, dtype } = tensor;
    this.incRef(dataId);
    return { dataId, shape: [...shape], dtype };
  }

  /** A tensor for a buffer that a program returned. */
  adopt(buffer: DeviceBuffer, dtype: TensorDType): tf.TensorInfo {
    const value = parameter({ dtype, shape: buffer.dims });
    const info = this.#tensorOf(value);
    this.#graph.bind(value, buffer);
    return info;
  }

  /** A tensor, outside of traces, for a value that is not recorded. */
  #tensorOf(value: Value): tf.TensorInfo {
    const dtype = TFJS_TYPE[tensorDType(value.type.dtype)];
    const dataId = {};
    this.#attach(dataId, { dtype, refCount: 1 }, value);
    return { dataId, shape: [...value.type.shape], dtype };
  }

  /** Disposes of a tensor whose memory a program has taken. Using it again is an error that says so. */
  giveAway(tensor: tf.Tensor, to: () => string): void {
    const { shape, dataId } = tensor;
    tensor.dispose();
    if (this.#entries.has(dataId)) return;
    const message = () =>
      `a tensor of shape [${shape.join(", ")}] was used after it was donated to ${to()}: use what that returned, or pass a clone`;
    this.#givenAway.set(dataId, message);
    const refuse = () => {
      throw new Error(message());
    };
    Object.defineProperty(tensor, "throwIfDisposed", { value: refuse }); // what tfjs calls before it reads
  }

  // ---- traces --------------------------------------------------------------------------------------------------
  /** The innermost function being traced. */
  get trace(): Trace | undefined {
    return this.#traces[this.#traces.length - 1];
  }

  /** What kernels record from now on, up to `endTrace`, becomes a program of its own. */
  beginProgram(name: string, variables: ReadonlyMap<tf.TensorInfo, object>): ProgramTrace {
    const trace = new ProgramTrace(name, variables);
    this.#traces.push(trace);
    return trace;
  }

  /** What kernels record from now on, up to `endTrace`, becomes a region of an operation. What it takes from outside is held until `releaseRegion`. */
  beginRegion(name: string, firstTensorId: number): RegionTrace {
    const trace = new RegionTrace(name, firstTensorId);
    this.#traces.push(trace);
    return trace;
  }

  releaseRegion({ captures }: RegionTrace): void {
    for (const value of captures.keys()) this.#graph.release(value);
  }

  endTrace(): void {
    this.#traces.pop();
  }

  /** Whether a program can be run on these tensors at once, since nothing is to be compiled for that; computes what it needs if so. */
  isReadyFor(program: Program, tensors: readonly tf.TensorInfo[]): boolean {
    return this.#computation.isReadyFor(program, this.#valuesOf(tensors));
  }

  /** Has a program run once it and what it needs are compiled. Its results can be computed with at once; reading them waits. */
  defer(program: Program, tensors: readonly tf.TensorInfo[]): tf.TensorInfo[] {
    return this.#computation.defer(program, this.#valuesOf(tensors)).map((value) => this.#tensorOf(value));
  }

  /** The buffers of tensors, computed and copied to the device if they are not there yet. */
  buffersOf(tensors: readonly tf.TensorInfo[]): DeviceBuffer[] {
    return this.#computation.buffersOf(this.#valuesOf(tensors));
  }

  /** Whether other tensors have the same data: clones, variables. */
  isShared(tensor: tf.TensorInfo): boolean {
    const { refCount, value } = this.#entryOf(tensor);
    return refCount > 1 || this.#graph.tensorsOf(value!) > 1;
  }

  /** Computes what has been recorded from the given tensors, so that their memory may go. */
  settle(tensors: readonly tf.TensorInfo[]): void {
    const needed = tensors.some(({ dataId }) => this.#graph.isAwaited(this.#entries.get(dataId).value!));
    if (needed) this.#computation.flush();
  }

  /** Whether the data of a settled tensor may be overwritten: no other tensor has it, and no read is under way. */
  isFree(tensor: tf.TensorInfo): boolean {
    return !this.isShared(tensor) && !this.#graph.isAwaited(this.#entries.get(tensor.dataId).value!);
  }

  /** Waits until everything recorded so far has been computed. */
  async sync(): Promise<void> {
    await this.#computation.sync();
  }

  #valuesOf(tensors: readonly tf.TensorInfo[]): Value[] {
    return tensors.map((tensor) => {
      const entry = this.#entryOf(tensor);
      if (!entry.value) throw new Error(`a ${tensor.dtype} tensor cannot be passed to a compiled function`);
      if (entry.trace) throw leaked(entry, entry.trace, tensor.shape);
      return entry.value;
    });
  }

  #attach(dataId: object, entry: Entry, value: Value): void {
    entry.value = value;
    this.#entries.set(dataId, entry);
    this.#graph.hold(value, true);
    if (!entry.trace) this.#dropped.register(dataId, entry, entry);
  }

  /** A tensor's data is needed by that tensor no more. */
  #letGo({ value }: Entry): void {
    if (!value) return;
    this.#graph.release(value, true);
    if (this.#graph.tensorsOf(value) === 0) this.#computation.remove(value);
  }

  /** A tensor's value inside of a trace: its own, or the parameter that stands for it there. */
  #valueAt(level: number, tensor: tf.TensorInfo, entry: Entry): Value {
    const trace = level < 0 ? undefined : this.#traces[level];
    if (trace === entry.trace) return entry.value!;
    if (trace instanceof RegionTrace) {
      const outside = this.#valueAt(level - 1, tensor, entry);
      if (!trace.captures.has(outside)) this.#graph.hold(outside);
      return trace.capture(tensor, outside);
    }
    return this.#capture(trace!, tensor, entry);
  }

  #capture(trace: ProgramTrace, tensor: tf.TensorInfo, entry: Entry): Value {
    const key = trace.originOf(tensor);
    let value = trace.captures.get(key);
    if (!value) {
      trace.captures.set(key, (value = parameter(entry.value!.type)));
      if (key === tensor.dataId) entry.refCount++; // a tidy inside of the function may dispose the tensor before the program first runs
    }
    return value;
  }

  /** @throws if the tensor's data is gone, saying where it went if it was given away. */
  #entryOf({ dataId, shape }: tf.TensorInfo): Entry {
    if (!this.#entries.has(dataId) && !tf.engine().state.tensorInfo.has(dataId)) {
      throw new Error(
        this.#givenAway.get(dataId)?.() ?? `a tensor of shape [${shape.join(", ")}] was used after it was disposed of`,
      );
    }
    return this.#entries.get(dataId);
  }

  #readable(dataId: object): Entry {
    const entry = this.#entries.get(dataId);
    const { trace } = entry;
    if (!trace) return entry;
    if (!this.#traces.includes(trace)) throw leaked(entry, trace, entry.value!.type.shape);
    throw new Error(
      `a value was read while ${trace.name} was being traced (at ${new CallSite().place()}; ${madeBy(entry)}): inside a compiled function there are no numbers yet; return the tensor and read it outside`,
    );
  }
}

/** What kind of device tfjs's current backend computes on; undefined if that is not this backend. */
export function deviceKind(): DeviceKind | undefined {
  const backend = tf.backend();
  return backend instanceof XlaBackend ? backend.device.kind : undefined;
}
