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

/**
 * The process's client for a kind of device, made on first use from the installed plugin.
 * `options` are added to the defaults: one device for `cpu`.
 * Throws a PluginError when there is no usable plugin, a PjrtError when the plugin finds no device or refuses an option.
 */
export function openClient(kind: PluginKind, options: ClientOptions = {}): Client {
  return loadPlugin(findPlugin(kind)).client({ ...DEFAULT_OPTIONS[kind], ...options });
}
