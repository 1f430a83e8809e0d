import type { Api } from "./api";
import { PjrtError } from "./errors";

/** Bytes of a device's memory. */
export interface MemoryStats {
  readonly bytesInUse: number;
  readonly peakBytesInUse?: number;
  /** What the client may allocate at most. */
  readonly bytesLimit?: number;
}

/** A device that a client can address. */
export class Device {
  /** Number of the device, unique over all processes. */
  readonly id: number;
  /** The vendor's name of the model, such as `NVIDIA H100 80GB HBM3`, or `cpu`. */
  readonly kind: string;
  /** One line for people. */
  readonly description: string;

  /** @internal */
  constructor(
    private readonly api: Api,
    readonly address: bigint,
  ) {
    const description = api.call("Device_GetDescription", { device: address }).pointer("description");
    this.id = api.call("DeviceDescription_Id", { description }).int("id");
    this.kind = api.text("DeviceDescription_Kind", { description });
    this.description = api.text("DeviceDescription_DebugString", { description });
  }

  /** The device's memory now; undefined where the plugin does not count it (CPUs). */
  memoryStats(): MemoryStats | undefined {
    try {
      const stats = this.api.call("Device_MemoryStats", { device: this.address });
      return {
        bytesInUse: stats.integer("bytes_in_use"),
        peakBytesInUse: stats.bool("peak_bytes_in_use_is_set") ? stats.integer("peak_bytes_in_use") : undefined,
        bytesLimit: stats.bool("bytes_limit_is_set") ? stats.integer("bytes_limit") : undefined,
      };
    } catch (error) {
      if (error instanceof PjrtError && error.code === "UNIMPLEMENTED") return undefined;
      throw error;
    }
  }
}
