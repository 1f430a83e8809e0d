import type { Client } from "./client";
import { eventDone, eventDoneSync } from "./event";
import { freeWithOwner, type Handle } from "./handle";
import { ELEMENT_TYPES, elementCount, type ElementType, type TypedArray } from "./types";

/**
 * An array in a device's memory, immutable, possibly not computed yet.
 * Its memory is freed by {@link destroy}, or some time after the object was dropped.
 */
export class DeviceBuffer {
  /** @internal Made by {@link Client.bufferFromHost} and {@link Executable.execute}. */
  constructor(
    readonly client: Client,
    private readonly handle: Handle,
    readonly type: ElementType,
    readonly dims: readonly number[],
  ) {
    freeWithOwner(this, handle);
  }

  /** Bytes of the elements, without padding. */
  get sizeBytes(): number {
    return elementCount(this.dims) * ELEMENT_TYPES[this.type].bytes;
  }

  /** Whether {@link destroy} was called, on it or on its client. */
  get isDestroyed(): boolean {
    return this.handle.address === 0n;
  }

  /** The native buffer's address. Throws when it is destroyed. */
  get address(): bigint {
    const { address } = this.handle;
    if (address === 0n) throw new Error(`a destroyed device buffer was used: ${this.type}[${this.dims.join(",")}]`);
    return address;
  }

  /** Whether its memory is gone: destroyed, or donated to an execution. */
  isDeleted(): boolean {
    return this.isDestroyed || this.client.api.call("Buffer_IsDeleted", { buffer: this.address }).bool("is_deleted");
  }

  /**
   * Copies the elements to the host, in row-major order, once they are computed; the event loop stays free.
   * Throws the PjrtError of the computation that was to make them.
   */
  async toHost(): Promise<TypedArray> {
    const host = this.#allocateHost();
    if (host.length === 0) await this.ready();
    else await eventDone(this.client.api, this.#startCopy(host));
    return host;
  }

  /** Like {@link toHost}, blocking. */
  toHostSync(): TypedArray {
    const host = this.#allocateHost();
    if (host.length === 0) this.readySync();
    else eventDoneSync(this.client.api, this.#startCopy(host));
    return host;
  }

  /** Settles when the elements are computed. Throws the PjrtError of the computation that was to make them. */
  async ready(): Promise<void> {
    await eventDone(this.client.api, this.#readyEvent());
  }

  /** Like {@link ready}, blocking. */
  readySync(): void {
    eventDoneSync(this.client.api, this.#readyEvent());
  }

  /** Address of the elements in the device's memory, valid while the buffer lives. Waits until it is allocated. */
  unsafePointer(): bigint {
    return this.client.api.call("Buffer_UnsafePointer", { buffer: this.address }).pointer("pointer");
  }

  /** Frees the device memory, once executions that read it are done. Nothing the second time. */
  destroy(): void {
    this.handle.free();
  }

  #allocateHost(): TypedArray {
    const { allocate, entries } = ELEMENT_TYPES[this.type];
    return allocate(elementCount(this.dims) * entries);
  }

  #startCopy(host: TypedArray): bigint {
    const args = { buffer: this.address, dst: host, dst_size: host.byteLength };
    return this.client.api.call("Buffer_ToHostBuffer", args).pointer("event");
  }

  #readyEvent(): bigint {
    return this.client.api.call("Buffer_ReadyEvent", { buffer: this.address }).pointer("event");
  }
}
