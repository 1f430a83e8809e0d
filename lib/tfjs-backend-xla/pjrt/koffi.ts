/**
 * The native calls of Node: koffi, set up so that XLA fits on its stacks.
 *
 * koffi runs native code on stacks of its own, 2 MiB for calls on the main thread and 128 KiB for those on worker
 * threads. XLA parses and compiles recursively and expects a system thread's 8 MiB; the sizes can be changed only
 * before koffi loads its first library.
 */
import type * as Koffi from "koffi" with { "resolution-mode": "import" };
import { createRequire } from "node:module";
import { PluginError } from "./errors";

export const koffi = createRequire(__filename)("koffi") as typeof Koffi;

const STACK_BYTES = 16 * 2 ** 20;

/** Gives native code enough stack; a no-op when done before. Throws a PluginError when another user of koffi came first. */
export function reserveStacks(): void {
  const { sync_stack_size: sync = 0, async_stack_size: async = 0 } = koffi.config();
  if (sync >= STACK_BYTES && async >= STACK_BYTES) return;
  try {
    koffi.config({ sync_stack_size: STACK_BYTES, async_stack_size: STACK_BYTES });
  } catch (error) {
    throw new PluginError(
      "koffi has loaded another library before this one, with stacks too small for XLA: import tfjs-backend-xla first",
      { cause: error },
    );
  }
}
