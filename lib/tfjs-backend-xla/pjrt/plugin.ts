import { existsSync, realpathSync } from "node:fs";
import path from "node:path";
import { Api, FUNCTIONS_OFFSET } from "./api";
import { checkSharedLibrary } from "./binary";
import { Client, destroyNativeClient, type NativeClient } from "./client";
import { PjrtError, PluginError } from "./errors";
import { registerHandler } from "./handlers";
import { isWheelLibrary } from "./find";
import { freeWithOwner } from "./handle";
import { koffi } from "./koffi";
import { loadLibrary } from "./library";
import { decodeNamedValues, encodeNamedValues, type NamedValue } from "./named-values";
import { FUNCTIONS } from "./tables";
import { tryInChild } from "./trial";

/** Options of a client by name, as the plugin defines them, such as `cpu_device_count`. */
export type ClientOptions = Readonly<Record<string, string | number | boolean>>;

/** Version of the PJRT C API. */
export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
}

/**
 * Versions of the PJRT C API that this layer can call. A minor version only appends functions and fields, so the lower
 * end is the oldest that was run and has every function called here (0.81), and the upper end leaves room above the
 * newest that was loaded (0.116): further than that, a plugin may refuse argument structs that lack its new fields.
 */
const SUPPORTED = { major: 0, minMinor: 81, maxMinor: 135 };

/** Throws a PluginError when a plugin of this version cannot be called. `structBytes` is its PJRT_Api's own size. */
export function checkApiVersion(file: string, { major, minor }: ApiVersion, structBytes: number): void {
  const { minMinor, maxMinor } = SUPPORTED;
  if (major !== SUPPORTED.major || minor < minMinor || minor > maxMinor) {
    throw new PluginError(
      `${file} speaks version ${major}.${minor} of the PJRT C API: ` +
        `versions ${SUPPORTED.major}.${minMinor} to ${SUPPORTED.major}.${maxMinor} are supported`,
    );
  }
  const needed = FUNCTIONS_OFFSET + 8 * FUNCTIONS.length;
  if (structBytes < needed) {
    throw new PluginError(`${file} lists PJRT functions in ${structBytes} bytes: ${needed} are needed`);
  }
}

/** A loaded plugin and its shared clients, as they outlive a reload of this module. */
interface NativePlugin {
  /** koffi closes a library whose handle is collected. */
  readonly library: unknown;
  readonly apiAddress: bigint;
  readonly clients: Map<string, NativeClient>;
}

/** The process's plugins by path: a library is loaded and initialized once, whatever reloads this module. */
const LOADED = Symbol.for("tfjs-backend-xla.pjrt.plugins");
const loaded = ((globalThis as { [LOADED]?: Map<string, NativePlugin> })[LOADED] ??= new Map<string, NativePlugin>());

/**
 * The least severe messages that XLA prints on standard error: 0 all, 1 warnings, 2 errors, 3 what ends the process.
 * It reads this from the environment when it is loaded, and prints everything unless told.
 */
const LOG_LEVEL = { variable: "TF_CPP_MIN_LOG_LEVEL", errors: "2" };

/** A PJRT plugin: one kind of device. */
export class Plugin {
  /** What the plugin says of itself, such as `xla_version`. */
  readonly attributes: Readonly<Record<string, NamedValue>>;
  readonly #api: Api;
  readonly #clients = new Map<string, Client>();

  /** @internal Made by {@link loadPlugin}. */
  constructor(
    readonly path: string,
    readonly apiVersion: ApiVersion,
    private readonly native: NativePlugin,
  ) {
    this.#api = new Api(native.apiAddress);
    const args = this.#api.call("Plugin_Attributes", {});
    this.attributes = decodeNamedValues(args.pointer("attributes"), args.integer("num_attributes"));
  }

  /** A client of one's own, freed by its `destroy()` or when dropped. Throws a PjrtError, as for an unknown option. */
  createClient(options: ClientOptions = {}): Client {
    const native = this.#createNative(options);
    const client = new Client(this.#api, native);
    freeWithOwner(client, { free: nativeClientDestroyer(this.#api, native) });
    return client;
  }

  /** The client that all callers with these options share, made on first use. Throws like {@link createClient}. */
  client(options: ClientOptions = {}): Client {
    const key = JSON.stringify(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1)));
    let native = this.native.clients.get(key);
    if (native === undefined || native.address === 0n) {
      native = this.#createNative(options);
      this.native.clients.set(key, native);
      this.#clients.delete(key);
    }
    let client = this.#clients.get(key);
    if (client === undefined) {
      client = new Client(this.#api, native);
      this.#clients.set(key, client);
    }
    return client;
  }

  /**
   * Makes a function of native code known to all clients as the target of custom calls with the `api_version` 4. It may be registered again
   * under its name, another one may not.
   *
   * @param handler address of an `XLA_FFI_Handler` that stays loaded
   * @param platform XLA's name of it, such as `Host`
   * @returns whether the plugin takes such functions
   * @throws {PjrtError} if it refuses this one, as for its version of the interface
   */
  registerHandler(name: string, handler: bigint, platform: string): boolean {
    return registerHandler(this.#api, name, handler, platform);
  }

  #createNative(options: ClientOptions): NativeClient {
    const args = this.#api.call("Client_Create", {
      create_options: encodeNamedValues(options),
      num_options: Object.keys(options).length,
    });
    return {
      address: args.pointer("client"),
      buffers: new Set(),
      executables: new Set(),
      compiling: new Set(),
    };
  }
}

const plugins = new Map<string, Plugin>();

/**
 * Loads a PJRT plugin, once per process and path; it stays loaded. Worker threads each load their own.
 * The file is checked before native code can run: it must be a whole shared library for this machine, export
 * GetPjrtApi and speak a supported version of the API. One that is none of the wheels' known ones is loaded in a child
 * process first. Throws a PluginError that says which of these failed.
 */
export function loadPlugin(file: string): Plugin {
  if (!existsSync(file)) throw new PluginError(`there is no PJRT plugin at ${path.resolve(file)}`);
  const realPath = realpathSync(file);
  let plugin = plugins.get(realPath);
  if (plugin === undefined) {
    let native = loaded.get(realPath);
    if (native === undefined) {
      // Loaded by the path as given: a plugin finds its own libraries beside it, also where it is a link into a cache.
      native = loadNative(path.resolve(file));
      loaded.set(realPath, native);
    }
    plugin = new Plugin(realPath, readVersion(native.apiAddress), native);
    plugins.set(realPath, plugin);
  }
  return plugin;
}

function loadNative(file: string): NativePlugin {
  if (!isWheelLibrary(file)) {
    checkSharedLibrary(file); // as it will be again before it is loaded here
    tryInChild(file, SUPPORTED.major);
  }
  process.env[LOG_LEVEL.variable] ??= LOG_LEVEL.errors;
  const library = loadLibrary(file);
  let getApi: () => number | bigint;
  try {
    getApi = library.func("GetPjrtApi", "uintptr_t", []) as () => number | bigint;
  } catch (error) {
    throw new PluginError(`${file} is no PJRT plugin: it exports no GetPjrtApi`, { cause: error });
  }
  const apiAddress = BigInt(getApi());
  if (apiAddress === 0n) throw new PluginError(`${file} is no usable PJRT plugin: its GetPjrtApi gives nothing`);
  checkApiVersion(file, readVersion(apiAddress), Number(koffi.decode.uint64(apiAddress)));
  try {
    new Api(apiAddress).call("Plugin_Initialize", {});
  } catch (error) {
    if (!(error instanceof PjrtError)) throw error;
    throw new PluginError(`${file} cannot be initialized: ${error.message}`, { cause: error });
  }
  return { library, apiAddress, clients: new Map() };
}

/** PJRT_Api opens with its size and extensions, then PJRT_Api_Version: size, extensions, major, minor. */
function readVersion(apiAddress: bigint): ApiVersion {
  return { major: koffi.decode.int(apiAddress + 32n), minor: koffi.decode.int(apiAddress + 36n) };
}

// Made outside the class: a closure made in a method could keep the object alive that it is to outlive.
function nativeClientDestroyer(api: Api, native: NativeClient): () => void {
  return () => destroyNativeClient(api, native);
}
