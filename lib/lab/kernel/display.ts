/** What the library shows while a cell runs, and the bridge by which it does. */

/** A value in several formats, by MIME type. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** Under this symbol the library finds what the kernel offers to it; outside a notebook there is nothing. */
export const BRIDGE = Symbol.for("lory.kernel");

export interface ShowOptions {
  /** Name of the output, under which it can be replaced later. */
  readonly id?: string;
  /** Replaces the outputs of that name, in whichever cells they are, instead of adding one. */
  readonly update?: boolean;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export interface KernelBridge {
  /** Aborted when the user interrupts the cell that runs. */
  readonly signal: AbortSignal;
  show(data: MimeBundle, options?: ShowOptions): void;
  /** Removes the cell's outputs, at once or when the next one comes. */
  clear(wait?: boolean): void;
}

/** Content of `display_data` and `update_display_data`. */
export interface DisplayContent {
  readonly data: MimeBundle;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly transient: { readonly display_id?: string };
}

/** A bundle as it travels: bytes, as images are, become base64. */
export function portable(data: MimeBundle): MimeBundle {
  return Object.fromEntries(
    Object.entries(data).map(([type, value]) => [
      type,
      value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value,
    ]),
  );
}

export function displayContent(data: MimeBundle, { id, metadata = {} }: ShowOptions = {}): DisplayContent {
  return { data: portable(data), metadata, transient: id === undefined ? {} : { display_id: id } };
}
