import type { ElementType } from "./types";

/** What a native buffer holds. */
export interface Contents {
  readonly type: ElementType;
  readonly dims: readonly number[];
}

/** One native object, freed exactly once. It does not know the JavaScript object that stands for it. */
export class Handle {
  #address: bigint;

  constructor(
    address: bigint,
    /** The live handles of the same client; this one leaves them when freed. */
    private readonly live: Set<Handle>,
    private readonly release: (address: bigint) => void,
    /** Of a buffer. */
    readonly contents?: Contents,
  ) {
    this.#address = address;
    live.add(this);
  }

  /** The native address; 0 once freed. */
  get address(): bigint {
    return this.#address;
  }

  /** Frees the native object; nothing the second time. */
  free(): void {
    if (this.#address === 0n) return;
    const address = this.#address;
    this.#address = 0n;
    this.live.delete(this);
    this.release(address);
  }
}

const dropped = new FinalizationRegistry<{ free(): void }>((handle) => handle.free());

/** Frees the handle when its owner is garbage-collected without having been destroyed. */
export function freeWithOwner(owner: object, handle: { free(): void }): void {
  dropped.register(owner, handle);
}
