import type { PreparedCall } from "./api";
import type { DeviceBuffer } from "./buffer";
import type { Client } from "./client";
import { freeWithOwner, type Handle } from "./handle";
import { koffi } from "./koffi";
import { addressOf, readBytes, readInt64s, readInts, readPointers, readString, Struct } from "./memory";
import { STRUCTS } from "./tables";
import { elementTypeOfCode, type ElementType } from "./types";

/** What a compiled program takes of the device's memory, in bytes, as the compiler planned it. */
export interface ExecutableMemory {
  readonly generatedCodeBytes: number;
  readonly argumentBytes: number;
  readonly outputBytes: number;
  /** The part of the outputs that takes the place of donated arguments. */
  readonly aliasBytes: number;
  /** Scratch, held during an execution. */
  readonly temporaryBytes: number;
}

/** A program in one of XLA's serialized forms. */
export interface SerializedProgram {
  /** `hlo`, `hlo_with_config` or `mlir`. */
  readonly format: string;
  readonly code: Buffer;
}

/** A program compiled for a client's devices. */
export class Executable {
  readonly name: string;
  readonly numOutputs: number;
  readonly outputTypes: readonly ElementType[];
  readonly outputDims: readonly (readonly number[])[];
  readonly #handle: Handle;
  readonly #numDevices: number;
  readonly #execute: PreparedCall<"LoadedExecutable_Execute">;
  /** Addresses of the arguments and of the outputs of one execution, where native code reads and writes them. */
  #arguments = new BigUint64Array(1);
  readonly #outputs: BigUint64Array;
  readonly #argumentLists = new BigUint64Array(1);
  readonly #outputLists = new BigUint64Array(1);

  /** @internal Made by {@link Client.compile} and {@link Client.deserialize}; takes over the native executable. */
  constructor(
    readonly client: Client,
    handle: Handle,
  ) {
    const { api } = client;
    this.#handle = handle;
    freeWithOwner(this, handle);
    this.#numDevices = api
      .call("LoadedExecutable_AddressableDevices", { executable: handle.address })
      .integer("num_devices");
    const outputs = this.#withMetadata((executable) => readOutputs(client, executable));
    this.name = outputs.name;
    this.outputTypes = outputs.types;
    this.outputDims = outputs.dims;
    this.numOutputs = outputs.types.length;

    this.#outputs = new BigUint64Array(Math.max(1, this.numOutputs));
    this.#outputLists[0] = addressOf(this.#outputs);
    this.#argumentLists[0] = addressOf(this.#arguments);
    this.#execute = api.prepare("LoadedExecutable_Execute", {
      options: new Struct(STRUCTS.ExecuteOptions),
      argument_lists: this.#argumentLists,
      num_devices: 1,
      output_lists: this.#outputLists,
    });
  }

  /**
   * Runs the program on its device and returns its outputs at once, before they are computed: one native call. What
   * goes wrong later is thrown by the outputs' `ready()` and `toHost()`. Arguments that the program donates are
   * deleted, but still to be destroyed by the caller.
   *
   * Only byte sizes are checked: the caller must see to it that types and dimensions are the program's.
   * Throws a PjrtError for a wrong number or size of arguments, or a deleted one; an Error for a destroyed one.
   */
  execute(args: readonly DeviceBuffer[]): DeviceBuffer[] {
    if (this.#numDevices !== 1) {
      throw new Error(`program ${this.name} is compiled for ${this.#numDevices} devices: execute() runs on one`);
    }
    const call = this.#execute;
    call.args.set("executable", this.#address());
    if (this.#arguments.length < args.length) {
      this.#arguments = new BigUint64Array(args.length);
      this.#argumentLists[0] = addressOf(this.#arguments);
    }
    for (let i = 0; i < args.length; i++) {
      if (args[i].client !== this.client) throw new Error(`argument ${i} of ${this.name} belongs to another client`);
      this.#arguments[i] = args[i].address;
    }
    call.args.set("num_args", args.length);
    call.run();
    return this.outputTypes.map((type, i) => this.client.adopt(this.#outputs[i], type, this.outputDims[i]));
  }

  /** The compiler's plan of memory. Throws a PjrtError where the plugin has none. */
  memory(): ExecutableMemory {
    return this.#withMetadata((executable) => {
      const stats = this.client.api.call("Executable_GetCompiledMemoryStats", { executable });
      return {
        generatedCodeBytes: stats.integer("generated_code"),
        argumentBytes: stats.integer("argument"),
        outputBytes: stats.integer("output"),
        aliasBytes: stats.integer("alias"),
        temporaryBytes: stats.integer("temp"),
      };
    });
  }

  /** The program after XLA's optimizations. */
  optimizedProgram(): SerializedProgram {
    return this.#withMetadata((executable) => {
      const program = new Struct(STRUCTS.Program);
      const call = this.client.api.prepare("Executable_OptimizedProgram", { executable, program });
      // The first call fills in the size, the second the code.
      call.run();
      const code = Buffer.alloc(program.integer("code_size"));
      program.set("code", code);
      call.run();
      return { format: readString(program.pointer("format"), program.integer("format_size")), code };
    });
  }

  /**
   * The compiled program as bytes that {@link Client.deserialize} loads faster than it compiles. They hold machine
   * code for this processor, this plugin and these options, and nothing checks that when they are loaded.
   */
  serialize(): Buffer {
    return this.#withMetadata((executable) => {
      const call = this.client.api.prepare("Executable_Serialize", { executable });
      call.run();
      return takeSerialized(call);
    });
  }

  /** Like {@link serialize}, on a worker thread: the event loop stays free. */
  async serializeAsync(): Promise<Buffer> {
    const executable = this.#metadata();
    try {
      const call = this.client.api.prepare("Executable_Serialize", { executable });
      await call.runAsync();
      return takeSerialized(call);
    } finally {
      this.client.api.call("Executable_Destroy", { executable });
    }
  }

  /** Frees the program, once executions are done. Nothing the second time. */
  destroy(): void {
    this.#handle.free();
  }

  #address(): bigint {
    const { address } = this.#handle;
    if (address === 0n) throw new Error(`program ${this.name} was used after it was destroyed`);
    return address;
  }

  /** The PJRT_Executable, which holds what is known of a loaded one; to be destroyed. */
  #metadata(): bigint {
    const loaded = this.#address();
    return this.client.api.call("LoadedExecutable_GetExecutable", { loaded }).pointer("executable");
  }

  #withMetadata<T>(use: (executable: bigint) => T): T {
    const executable = this.#metadata();
    try {
      return use(executable);
    } finally {
      this.client.api.call("Executable_Destroy", { executable });
    }
  }
}

/** `void f(PJRT_SerializedExecutable*)` */
const DELETER = koffi.proto("void", ["uintptr_t"]);

/** Copies what Executable_Serialize gave, and frees it. */
function takeSerialized({ args }: PreparedCall<"Executable_Serialize">): Buffer {
  const bytes = readBytes(args.pointer("bytes"), args.integer("bytes_size"));
  koffi.call(args.pointer("deleter"), DELETER, args.pointer("serialized"));
  return bytes;
}

function readOutputs(client: Client, executable: bigint) {
  const { api } = client;
  const name = api.text("Executable_Name", { executable });
  const typeCodes = api.call("Executable_OutputElementTypes", { executable });
  const codes = readInts(typeCodes.pointer("types"), typeCodes.integer("num_types"));
  const shapes = api.call("Executable_OutputDimensions", { executable });
  const ranks = readPointers(shapes.pointer("dim_sizes"), codes.length).map(Number);
  const sizes = readInt64s(
    shapes.pointer("dims"),
    ranks.reduce((sum, rank) => sum + rank, 0),
  );
  const types = codes.map((code, i) => {
    const type = elementTypeOfCode(code);
    if (type === undefined) throw new TypeError(`output ${i} of ${name} has PJRT element type ${code}, not known here`);
    return type;
  });
  let at = 0;
  const dims = ranks.map((rank) => sizes.slice(at, (at += rank)));
  return { name, types, dims };
}
