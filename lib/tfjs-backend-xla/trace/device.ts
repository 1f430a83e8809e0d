import { openCache, type CompileCache, type Source } from "../cache";
import { openProducts, type Products } from "../cpu";
import {
  findPlugin,
  loadPlugin,
  openClient,
  PjrtError,
  PluginError,
  type Client,
  type CompileOptions,
  type DeviceBuffer,
  type Executable,
  type TypedArray,
} from "../pjrt";
import { parameter, printModule, sameShape, ShapeError, typeText, type TensorType } from "../stablehlo";
import { ELEMENT_TYPE, tensorDType } from "./dtypes";
import { demandRoom, explained } from "./out-of-memory";

export const DEVICE_KINDS = ["cpu", "cuda"] as const;
export type DeviceKind = (typeof DEVICE_KINDS)[number];

/** How a program is compiled. */
export interface ProgramOptions {
  /**
   * Whether it gives the same bits each time, in every process, on one machine with one plugin and as many threads. XLA then takes no GPU
   * kernel whose order of additions may change, and measures none against another, since the clock would choose; that costs speed. On
   * CPUs XLA's programs are so anyway. Another machine adds in another order: f32 losses of a short training agree to 1e-5 of their
   * size (1e-7 was seen after ten steps with SSE4.2 in place of AVX-512), weights to rounding, and both drift apart from there.
   */
  readonly deterministic?: boolean;
}

/**
 * Flags of XLA's GPU compiler, which that for CPUs takes too and does not heed. The first one leaves out kernels whose order of additions may
 * change, and has XLA time none against another; the second says that by itself. So there is no choice of kernels to be kept for another
 * process: each finds the same one.
 */
const DETERMINISTIC: CompileOptions = { overrides: { xla_gpu_deterministic_ops: true, xla_gpu_autotune_level: 0 } };

/** Programs compiled one way, by their text. */
interface Programs {
  readonly ready: Map<string, Executable>;
  /** Those that worker threads load or compile. */
  readonly coming: Map<string, Promise<Executable>>;
}

const newPrograms = (): Programs => ({ ready: new Map(), coming: new Map() });

/** The program that is kept: another one may have been made while this one compiled. */
function keep({ ready }: Programs, module: string, program: Executable): Executable {
  const raced = ready.get(module);
  if (raced) program.destroy();
  else ready.set(module, program);
  return raced ?? program;
}

/** Where programs run: one PJRT client and its first device, with the programs compiled so far. */
export class XlaDevice {
  readonly client: Client;
  /** Why `hasProducts` is so. */
  readonly products: Products;
  readonly #cache: CompileCache | undefined;
  readonly #programs = newPrograms();
  readonly #deterministicPrograms = newPrograms();
  #deterministic: boolean;
  #compileCount = 0;

  /**
   * @throws {PluginError} if the plugin is missing or does not fit, saying what to do.
   * @throws {PjrtError} if the plugin finds no device.
   */
  constructor(
    readonly kind: DeviceKind,
    environment: NodeJS.ProcessEnv = process.env,
  ) {
    this.client = openClient(kind);
    this.#deterministic = isSet(environment.XLA_DETERMINISTIC);
    const plugin = loadPlugin(findPlugin(kind));
    this.products = kind === "cpu" ? openProducts(plugin) : { missing: "they are for CPUs" };
    this.#cache = openCache(this.client, plugin, environment, "hash" in this.products ? this.products.hash : "");
  }

  /** Whether programs can have products of matrices computed by native code of this package. */
  get hasProducts(): boolean {
    return "hash" in this.products;
  }

  /** Whether what is recorded now gives the same bits each time: see `ProgramOptions`. */
  get deterministic(): boolean {
    return this.#deterministic;
  }

  /** Records a program that is to be compiled with these options: what is recorded can depend on them. */
  recording<T>({ deterministic = this.#deterministic }: ProgramOptions, record: () => T): T {
    const outer = this.#deterministic;
    this.#deterministic = deterministic;
    try {
      return record();
    } finally {
      this.#deterministic = outer;
    }
  }

  /** Whether the program is compiled or loaded. */
  has(module: string, options: ProgramOptions = {}): boolean {
    return this.#programsFor(options).ready.has(module);
  }

  /** The compiled program, now; blocks while XLA compiles one that is new. */
  compile(module: string, options: ProgramOptions = {}): Executable {
    const programs = this.#programsFor(options);
    const source = { module, options: programs === this.#programs ? {} : DETERMINISTIC };
    const known = programs.ready.get(module);
    return known ?? keep(programs, module, this.#cache?.load(source) ?? this.#compileNow(source));
  }

  /** The compiled program; the event loop stays free while XLA compiles. */
  async compileAsync(module: string, options: ProgramOptions = {}): Promise<Executable> {
    const programs = this.#programsFor(options);
    const known = programs.ready.get(module) ?? programs.coming.get(module);
    if (known) return known;
    const coming = this.#loadOrCompile({ module, options: programs === this.#programs ? {} : DETERMINISTIC })
      .then((program) => keep(programs, module, program))
      .finally(() => programs.coming.delete(module));
    programs.coming.set(module, coming);
    return coming;
  }

  #programsFor({ deterministic = this.#deterministic }: ProgramOptions): Programs {
    return deterministic ? this.#deterministicPrograms : this.#programs;
  }

  #compileNow(source: Source): Executable {
    const program = this.client.compileSync(source.module, source.options);
    this.#compileCount++;
    this.#cache?.save(source, program);
    return program;
  }

  async #loadOrCompile(source: Source): Promise<Executable> {
    const loaded = await this.#cache?.loadAsync(source);
    if (loaded) return loaded;
    const program = await this.client.compile(source.module, source.options);
    this.#compileCount++;
    await this.#cache?.saveAsync(source, program);
    return program;
  }

  /**
   * Enqueues an execution. Types and shapes are checked here, since PJRT looks at the number of bytes only: an int32 buffer for an f32
   * parameter would run, and give nonsense.
   * @throws {ShapeError} naming the first argument that does not fit.
   * @throws {OutOfMemoryError} if the device refuses memory; what it refuses later is thrown where results are read.
   */
  execute(program: Executable, parameters: readonly TensorType[], args: readonly DeviceBuffer[]): DeviceBuffer[] {
    if (args.length !== parameters.length)
      throw new ShapeError(`${args.length} arguments are given, the program takes ${parameters.length}`);
    parameters.forEach((type, i) => {
      const { type: given, dims } = args[i];
      if (given === ELEMENT_TYPE[tensorDType(type.dtype)] && sameShape(dims, type.shape)) return;
      throw new ShapeError(
        `argument ${i} is a buffer of ${given} [${dims.join(", ")}], the program takes ${typeText(type)}`,
      );
    });
    demandRoom(program);
    return this.#explained(() => program.execute(args), program, args);
  }

  /** A host array as a buffer. */
  upload(host: TypedArray, { dtype, shape }: TensorType): DeviceBuffer {
    return this.#explained(() => this.client.bufferFromHost(host, ELEMENT_TYPE[tensorDType(dtype)], shape));
  }

  /** A buffer's elements, once they are computed; blocks until then. */
  readSync(buffer: DeviceBuffer): TypedArray {
    return this.#explained(() => buffer.toHostSync());
  }

  /** Like {@link readSync}; the event loop stays free. */
  async read(buffer: DeviceBuffer): Promise<TypedArray> {
    return buffer.toHost().catch((error: unknown) => this.#rethrow(error));
  }

  /** Waits until a buffer is computed. */
  async ready(buffer: DeviceBuffer): Promise<void> {
    return buffer.ready().catch((error: unknown) => this.#rethrow(error));
  }

  #explained<T>(use: () => T, program?: Executable, args?: readonly DeviceBuffer[]): T {
    try {
      return use();
    } catch (error) {
      return this.#rethrow(error, program, args);
    }
  }

  #rethrow(error: unknown, program?: Executable, args?: readonly DeviceBuffer[]): never {
    throw explained(error, this.client, program, args);
  }

  /** A second buffer with the same data. */
  copy(buffer: DeviceBuffer, type: TensorType): DeviceBuffer {
    return this.execute(this.compile(copier(type)), [type], [buffer])[0];
  }

  /** Compiles what `copy` runs; the event loop stays free. */
  async prepareCopy(type: TensorType): Promise<void> {
    await this.compileAsync(copier(type));
  }

  /** How many programs this process has, compiled or loaded from the cache. */
  get programCount(): number {
    return this.#programs.ready.size + this.#deterministicPrograms.ready.size;
  }

  /** How many programs XLA has compiled in this process: those that the cache did not have. */
  get compileCount(): number {
    return this.#compileCount;
  }
}

/** Whether a variable says yes. */
const isSet = (value: string | undefined): boolean => value !== undefined && !["", "0", "false"].includes(value);

/** A program that returns its argument. */
function copier(type: TensorType): string {
  const value = parameter(type);
  return printModule({ name: "copy", parameters: [value], results: [value] });
}

/**
 * The device that `XLA_DEVICE` names (`cpu` or `cuda`). Without it: a GPU if CUDA's plugin is installed and finds one, else the CPU.
 * @throws {PluginError} if the plugin is missing or does not fit, saying what to do.
 */
export function openDevice(environment: NodeJS.ProcessEnv = process.env): XlaDevice {
  const named = environment.XLA_DEVICE;
  if (named !== undefined) {
    const kind = DEVICE_KINDS.find((each) => each === named);
    if (!kind) throw new Error(`XLA_DEVICE is "${named}": it is one of ${DEVICE_KINDS.join(", ")}`);
    return new XlaDevice(kind, environment);
  }
  return openGpu(environment) ?? new XlaDevice("cpu", environment);
}

/** A GPU, or nothing where there is no plugin for it or it finds none. */
function openGpu(environment: NodeJS.ProcessEnv): XlaDevice | undefined {
  try {
    findPlugin("cuda");
  } catch (error) {
    if (error instanceof PluginError) return undefined;
    throw error;
  }
  try {
    return new XlaDevice("cuda", environment);
  } catch (error) {
    if (!(error instanceof PjrtError || error instanceof PluginError)) throw error;
    console.warn(
      `CUDA's plugin is installed but gives no device (${error.message}); computing on the CPU. XLA_DEVICE=cpu skips the attempt.`,
    );
    return undefined;
  }
}
