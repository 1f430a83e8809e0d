/**
 * Prints, as one line of JSON, what a PJRT plugin says of itself and its devices, or why it cannot be used. A program of its
 * own, since a broken plugin can end the process that loads it.
 *
 *     ts-node lib/lab/setup/doctor/plugin-report.ts cpu|cuda
 */
import { openProducts, type Products } from "tfjs-backend-xla/cpu";
import { findPlugin, loadPlugin, type PluginKind } from "tfjs-backend-xla/pjrt";

/** What is printed. */
export type PluginReport =
  | { readonly problem: string; readonly installed: boolean }
  | {
      readonly path: string;
      /** Version of the PJRT C API that it speaks. */
      readonly apiVersion: string;
      readonly platformVersion: string;
      /** Whether its programs can have products computed by the library's native code. */
      readonly products?: Products;
      readonly devices: readonly { id: number; kind: string; description: string; memoryBytes?: number }[];
    };

function report(kind: PluginKind): PluginReport {
  let path: string | undefined;
  try {
    path = findPlugin(kind);
    const plugin = loadPlugin(path);
    const client = plugin.client(kind === "cpu" ? { cpu_device_count: 1 } : {});
    return {
      path,
      apiVersion: `${plugin.apiVersion.major}.${plugin.apiVersion.minor}`,
      platformVersion: client.platformVersion,
      products: kind === "cpu" ? openProducts(plugin) : undefined,
      devices: client.devices.map((device) => ({
        id: device.id,
        kind: device.kind,
        description: device.description,
        memoryBytes: device.memoryStats()?.bytesLimit,
      })),
    };
  } catch (error) {
    return { problem: error instanceof Error ? error.message : String(error), installed: path !== undefined };
  }
}

const kind = process.argv[2];
if (kind !== "cpu" && kind !== "cuda") throw new Error(`plugin-report.ts takes cpu or cuda; it was given ${kind}`);
console.log(JSON.stringify(report(kind)));
