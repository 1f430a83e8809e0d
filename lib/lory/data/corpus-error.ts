/** A corpus, tokenizer or source package that cannot be used. The message says what was found and what to do. */
export class CorpusError extends Error {
  override readonly name = "CorpusError";
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The system's code of a failed file operation, such as `ENOENT` or `ENOSPC`; undefined for any other error. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
