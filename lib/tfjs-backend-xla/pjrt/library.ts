/** Shared libraries with functions for native code or for this one: loaded once, and kept for the life of the process. */
import { checkSharedLibrary } from "./binary";
import { PluginError } from "./errors";
import { koffi, reserveStacks } from "./koffi";

/** A loaded library. Whoever drops it has koffi close it, and a later call crash. */
export type SharedLibrary = ReturnType<typeof koffi.load>;

/**
 * Loads a library whose headers are those of a whole one for this machine, and pins it.
 * @throws {PluginError} that says what is wrong with the file
 */
export function loadLibrary(file: string): SharedLibrary {
  checkSharedLibrary(file);
  reserveStacks();
  try {
    const library = koffi.load(file);
    pin(file);
    return library;
  } catch (error) {
    throw new PluginError(`${file} cannot be loaded: ${(error as Error).message}`, { cause: error });
  }
}

/** Where a library has a function or a variable. Throws if it has none of that name. */
export const symbolAddress = (library: SharedLibrary, name: string): bigint => koffi.address(library.symbol(name));

/** dlopen's RTLD_LAZY with RTLD_NODELETE, where they have values of their own. */
const PIN_FLAGS: Partial<Record<NodeJS.Platform, number>> = { linux: 0x1001, darwin: 0x81 };

/**
 * Keeps the library mapped until the process is gone. koffi unloads it when Node shuts down, which would end the
 * process with a fault: the library's threads and exit handlers are still there.
 */
function pin(file: string): void {
  const flags = PIN_FLAGS[process.platform];
  if (flags === undefined) return;
  const dlopen = koffi.load(null).func("dlopen", "void *", ["str", "int"]) as (file: string, flags: number) => unknown;
  dlopen(file, flags);
}
