/**
 * The compiled library of this folder, as the set-up makes it on Linux x64 where it finds a compiler: products of f32 matrices on Intel AMX.
 * Who has it computes products 1.5 to 2 times as fast as XLA does, and rounds half as much.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { loadLibrary, PjrtError, symbolAddress, type Plugin, type SharedLibrary } from "../pjrt";

/** The name by which programs call the product. */
export const PRODUCT_TARGET = "tfjs_xla$product";

const FILE = `kernels-${process.platform}-${process.arch}.so`;
/** Beside the compiled JavaScript, or under it where the sources run. */
const PLACES = [path.join(__dirname, FILE), path.join(__dirname, "../dist/cpu", FILE)];
/** XLA's name of the platform that CPU plugins are for. */
const PLATFORM = "Host";

/** Whether programs may call the product: then the library's SHA-256, which tells one version of it from another; else why not. */
export type Products = { readonly hash: string } | { readonly missing: string };

interface LoadedLibrary {
  /** koffi closes a library whose handle is collected. */
  readonly library: SharedLibrary;
  readonly hash: string;
  readonly handler: bigint;
  readonly isSupported: boolean;
}

/** What the process has loaded and registered, whatever reloads this module. */
interface State {
  library?: LoadedLibrary | { readonly missing: string };
  /** By the plugin's path. */
  readonly registered: Map<string, Products>;
}
const STATE = Symbol.for("tfjs-backend-xla.cpu.library");
const newState: State = { registered: new Map() };
const state = ((globalThis as { [STATE]?: State })[STATE] ??= newState);

/**
 * Has a plugin's programs find the product, once per process: to be called before one that calls it is compiled or loaded.
 * A worker thread registers the same function again, which XLA takes.
 */
export function openProducts(plugin: Plugin): Products {
  const known = state.registered.get(plugin.path);
  if (known) return known;
  const products = register(plugin);
  state.registered.set(plugin.path, products);
  return products;
}

function register(plugin: Plugin): Products {
  const library = (state.library ??= load());
  if ("missing" in library) return library;
  if (!library.isSupported)
    return { missing: "there is no Intel AMX: the processor lacks it, or the system does not let the process use it" };
  try {
    const isTaken = plugin.registerHandler(PRODUCT_TARGET, library.handler, PLATFORM);
    return isTaken ? { hash: library.hash } : { missing: "the plugin takes no functions of others" };
  } catch (error) {
    if (!(error instanceof PjrtError)) throw error;
    return { missing: error.message };
  }
}

/** A library that cannot be loaded, or is another than is expected, is none: XLA computes all that it would. */
function load(): LoadedLibrary | { missing: string } {
  const file = PLACES.find((place) => existsSync(place));
  if (file === undefined) return { missing: "the library is not compiled" };
  try {
    const library = loadLibrary(file);
    const isSupported = library.func("tfjs_products_supported", "int", []) as () => number;
    return {
      library,
      hash: createHash("sha256").update(readFileSync(file)).digest("hex"),
      handler: symbolAddress(library, "tfjs_product"),
      isSupported: isSupported() !== 0,
    };
  } catch (error) {
    // Records of runs hold this: where this machine keeps its files is of no use to others.
    return { missing: (error as Error).message.replaceAll(file, FILE) };
  }
}
