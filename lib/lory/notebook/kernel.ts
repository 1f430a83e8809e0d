/** One output in several forms, by MIME type; a front end shows the richest that it knows and trusts. */
export type MimeBundle = Readonly<Record<string, unknown>>;

export interface ShowOptions {
  /** Names the output, so that it can be replaced later. */
  readonly id?: string;
  /** Replaces the output of that id instead of adding one. */
  readonly update?: boolean;
  /** What front ends should know of the forms, by MIME type. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

/** What the notebook kernel offers to the library. */
export interface KernelBridge {
  /** Aborted when the cell that runs now is interrupted. */
  readonly signal: AbortSignal;
  show(data: MimeBundle, options?: ShowOptions): void;
  /** Empties the cell's output; with `wait`, only once there is something new. */
  clear(wait?: boolean): void;
}

const KEY = Symbol.for("lory.kernel");

/** The kernel's bridge; undefined outside a notebook. */
export function kernel(): KernelBridge | undefined {
  return (globalThis as { [KEY]?: KernelBridge })[KEY];
}
