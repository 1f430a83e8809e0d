import type { Client } from "./client";
import { findPlugin, type PluginKind } from "./find";
import { loadPlugin, type ClientOptions } from "./plugin";

/**
 * What a client gets unless it is asked for something else. XLA's CPU client would make four devices of one processor,
 * each with threads of its own; one device uses them all.
 */
const DEFAULT_OPTIONS = {
  cpu: { cpu_device_count: 1 },
  cuda: {},
} satisfies Record<PluginKind, ClientOptions>;

/** The share of a GPU's memory that a client takes, 0 to 1; 0.75 where it is not set, as XLA has it. Python's JAX reads the same variable. */
const MEMORY_SHARE = "XLA_CLIENT_MEM_FRACTION";

/** @throws RangeError if the variable is set to anything else */
export function memoryOptions(environment: NodeJS.ProcessEnv): ClientOptions {
  const text = environment[MEMORY_SHARE];
  if (!text) return {};
  const share = Number(text);
  if (!(share > 0 && share < 1)) throw new RangeError(`${MEMORY_SHARE} is ${text}: expected a number between 0 and 1`);
  return { memory_fraction: share };
}

/**
 * The process's client for a kind of device, made on first use from the installed plugin.
 * `options` are added to the defaults: one device for `cpu`.
 * Throws a PluginError when there is no usable plugin, a PjrtError when the plugin finds no device or refuses an option.
 */
export function openClient(kind: PluginKind, options: ClientOptions = {}): Client {
  return loadPlugin(findPlugin(kind)).client({
    ...DEFAULT_OPTIONS[kind],
    ...(kind === "cuda" ? memoryOptions(process.env) : {}),
    ...options,
  });
}
