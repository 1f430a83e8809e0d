import type { Api, PreparedCall } from "./api";
import { DeviceBuffer } from "./buffer";
import { checkCustomCalls } from "./custom-calls";
import { Device } from "./device";
import { Executable } from "./executable";
import { Handle, type Contents } from "./handle";
import { Lane } from "./lane";
import { readPointers, Struct } from "./memory";
import { encodeCompileOptions, type CompileOptions } from "./options";
import { checkProgramText } from "./program-text";
import { STRUCTS } from "./tables";
import { ELEMENT_TYPES, elementCount, type ElementType, type TypedArray } from "./types";

/** PJRT_HostBufferSemantics: the data is copied before the call returns. */
const COPY_DURING_CALL = 0;

/** One program compiles at a time: XLA uses all processors for it. */
const compilations = new Lane(1);
/** Loading takes a moment only, and does not wait for what compiles. */
const loads = new Lane(1);

/** A call that makes an executable. */
interface ExecutableCall {
  readonly args: { pointer(field: "executable"): bigint };
  readonly runAsync: () => Promise<void>;
}

/** A native client and the native objects that live in it. */
export interface NativeClient {
  /** 0 once destroyed. */
  address: bigint;
  readonly buffers: Set<Handle>;
  readonly executables: Set<Handle>;
  /** Compilations and loads on worker threads, which the client must outlive. */
  readonly compiling: Set<Promise<unknown>>;
}

/** Live buffers of one type and shape. */
export interface Holding extends Contents {
  readonly count: number;
  readonly sizeBytes: number;
}

/** A connection to the devices of one plugin: compiles programs and holds their data. */
export class Client {
  /** Such as `cpu` or `cuda`. */
  readonly platformName: string;
  /** The plugin's own text, such as the CUDA version. */
  readonly platformVersion: string;
  /** The devices of this process. */
  readonly devices: readonly Device[];
  readonly #upload: PreparedCall<"Client_BufferFromHostBuffer">;
  readonly #destroyBuffer: (address: bigint) => void;

  /** @internal Made by {@link Plugin.createClient} and {@link Plugin.client}. */
  constructor(
    readonly api: Api,
    private readonly native: NativeClient,
  ) {
    const client = native.address;
    this.platformName = api.text("Client_PlatformName", { client });
    this.platformVersion = api.text("Client_PlatformVersion", { client });
    const devices = api.call("Client_AddressableDevices", { client });
    this.devices = readPointers(devices.pointer("devices"), devices.integer("num_devices")).map(
      (device) => new Device(api, device),
    );
    this.#upload = api.prepare("Client_BufferFromHostBuffer", { client, semantics: COPY_DURING_CALL });
    this.#destroyBuffer = bufferDestroyer(api);
  }

  /** Buffers that are neither destroyed nor collected. */
  get liveBuffers(): number {
    return this.native.buffers.size;
  }

  /** What those buffers hold: each type and shape once, with the number of buffers and their bytes together, the most bytes first. */
  get holdings(): Holding[] {
    const found = new Map<string, Holding>();
    for (const { contents } of this.native.buffers) {
      if (!contents) continue;
      const key = `${contents.type}[${contents.dims.join()}]`;
      const { count, sizeBytes } = found.get(key) ?? { count: 0, sizeBytes: 0 };
      const bytes = elementCount(contents.dims) * ELEMENT_TYPES[contents.type].bytes;
      found.set(key, { ...contents, count: count + 1, sizeBytes: sizeBytes + bytes });
    }
    return [...found.values()].sort((a, b) => b.sizeBytes - a.sizeBytes);
  }

  /**
   * Compiles a StableHLO module, as text or MLIR bytecode, on a worker thread: the event loop stays free.
   * Throws a PjrtError with the compiler's message, and a ProgramError for texts that would end the process (see {@link checkProgramText} and
   * {@link checkCustomCalls}). Bytecode is trusted, and so is what a custom call's kernel does.
   */
  async compile(program: string | Uint8Array, options?: CompileOptions): Promise<Executable> {
    return this.#onWorker(compilations, () => this.#prepareCompile(program, options));
  }

  /** Like {@link compile}, blocking. */
  compileSync(program: string | Uint8Array, options?: CompileOptions): Executable {
    const call = this.#prepareCompile(program, options);
    call.run();
    return this.#adoptExecutable(call.args.pointer("executable"));
  }

  /**
   * Loads what {@link Executable.serialize} gave, with the options that it was compiled with unless others are given.
   * The bytes are machine code and the plugin trusts them: damaged or foreign ones can end the process. Give it only
   * bytes whose hash is known, from the same plugin, options and processor.
   */
  deserialize(bytes: Uint8Array, options?: CompileOptions): Executable {
    const call = this.#prepareLoad(bytes, options);
    call.run();
    return this.#adoptExecutable(call.args.pointer("executable"));
  }

  /** Like {@link deserialize}, on a worker thread: the event loop stays free. */
  async deserializeAsync(bytes: Uint8Array, options?: CompileOptions): Promise<Executable> {
    return this.#onWorker(loads, () => this.#prepareLoad(bytes, options));
  }

  /**
   * Copies an array in row-major order to a device, the first by default; the caller may change `data` afterwards.
   * Throws a TypeError or RangeError when `data` is not what `type` and `dims` ask for.
   */
  bufferFromHost(
    data: TypedArray,
    type: ElementType,
    dims: readonly number[],
    device: Device = this.devices[0],
  ): DeviceBuffer {
    checkHostArray(data, type, dims);
    const { args, run } = this.#upload;
    args.set("client", this.#address());
    args.set("data", data);
    args.set("type", ELEMENT_TYPES[type].code);
    args.set("dims", BigInt64Array.from(dims, BigInt));
    args.set("num_dims", dims.length);
    args.set("device", device.address);
    run();
    args.set("data", null);
    this.api.call("Event_Destroy", { event: args.pointer("done_event") });
    return this.adopt(args.pointer("buffer"), type, [...dims]);
  }

  /** Frees the client with all its buffers and programs, once executions and compilations are done. Nothing the second time. */
  destroy(): void {
    destroyNativeClient(this.api, this.native);
  }

  /** @internal Takes over a native buffer. */
  adopt(buffer: bigint, type: ElementType, dims: readonly number[]): DeviceBuffer {
    const handle = new Handle(buffer, this.native.buffers, this.#destroyBuffer, { type, dims });
    return new DeviceBuffer(this, handle, type, dims);
  }

  #adoptExecutable(executable: bigint): Executable {
    return new Executable(this, new Handle(executable, this.native.executables, executableDestroyer(this.api)));
  }

  /** Makes an executable by a call on a worker thread, for which the client waits when it is destroyed. */
  #onWorker(lane: Lane, prepare: () => ExecutableCall): Promise<Executable> {
    const made = lane.run(async () => {
      const call = prepare();
      await call.runAsync();
      const executable = call.args.pointer("executable");
      if (this.native.address === 0n) this.api.call("LoadedExecutable_Destroy", { executable });
      this.#address();
      return this.#adoptExecutable(executable);
    });
    this.native.compiling.add(made);
    return made.finally(() => this.native.compiling.delete(made));
  }

  #prepareLoad(bytes: Uint8Array, options?: CompileOptions): PreparedCall<"Executable_DeserializeAndLoad"> {
    const encoded = options && encodeCompileOptions(options);
    return this.api.prepare("Executable_DeserializeAndLoad", {
      client: this.#address(),
      bytes,
      bytes_size: bytes.length,
      options: encoded ?? null,
      options_size: encoded?.length ?? 0,
    });
  }

  #prepareCompile(program: string | Uint8Array, options?: CompileOptions): PreparedCall<"Client_Compile"> {
    if (typeof program === "string" || !isBytecode(program)) {
      const text = typeof program === "string" ? program : Buffer.from(program).toString("latin1");
      checkProgramText(text);
      checkCustomCalls(text, this.platformName);
    }
    const code = terminated(program);
    const format = Buffer.from("mlir");
    const encoded = encodeCompileOptions(options);
    return this.api.prepare("Client_Compile", {
      client: this.#address(),
      program: new Struct(STRUCTS.Program, { code, code_size: code.length - 1, format, format_size: format.length }),
      options: encoded,
      options_size: encoded.length,
    });
  }

  #address(): bigint {
    if (this.native.address === 0n) throw new Error(`the ${this.platformName} client was used after it was destroyed`);
    return this.native.address;
  }
}

/** Whether a program is in MLIR's binary form, which begins with "ML" and two bytes that no text has. */
const isBytecode = (program: Uint8Array): boolean => [0x4d, 0x4c, 0xef, 0x52].every((byte, i) => program[i] === byte);

/** The bytes of a program and a zero after them: MLIR's lexer looks one byte past the end that it is told. */
function terminated(program: string | Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(program), Buffer.alloc(1)]);
}

/** Frees a client after everything in it; nothing the second time. */
export function destroyNativeClient(api: Api, native: NativeClient): void {
  const client = native.address;
  if (client === 0n) return;
  native.address = 0n;
  for (const handle of [...native.buffers, ...native.executables]) handle.free();
  const destroy = (): void => void api.call("Client_Destroy", { client });
  if (native.compiling.size === 0) destroy();
  else void Promise.allSettled(native.compiling).then(destroy);
}

// Made outside the classes: a closure made in a constructor could keep the object alive that it is to outlive.
function bufferDestroyer(api: Api): (address: bigint) => void {
  const call = api.prepare("Buffer_Destroy");
  return (address) => {
    call.args.set("buffer", address);
    call.run();
  };
}

function executableDestroyer(api: Api): (address: bigint) => void {
  return (executable) => void api.call("LoadedExecutable_Destroy", { executable });
}

function checkHostArray(data: TypedArray, type: ElementType, dims: readonly number[]): void {
  const { arrayName, entries } = ELEMENT_TYPES[type];
  const given = data[Symbol.toStringTag];
  if (given !== arrayName) throw new TypeError(`host data of ${type} is a ${given}: expected a ${arrayName}`);
  for (const dim of dims) {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new RangeError(`dimensions [${dims.join(", ")}]: expected integers that are not negative`);
    }
  }
  const expected = elementCount(dims) * entries;
  if (data.length !== expected) {
    throw new RangeError(`host data has ${data.length} entries: ${type}[${dims.join(",")}] takes ${expected}`);
  }
}
