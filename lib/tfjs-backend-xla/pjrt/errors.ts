/** Numbers of PJRT_Error_Code, which are absl's status codes. */
const CODES: Readonly<Record<number, string>> = {
  1: "CANCELLED",
  2: "UNKNOWN",
  3: "INVALID_ARGUMENT",
  4: "DEADLINE_EXCEEDED",
  5: "NOT_FOUND",
  6: "ALREADY_EXISTS",
  7: "PERMISSION_DENIED",
  8: "RESOURCE_EXHAUSTED",
  9: "FAILED_PRECONDITION",
  10: "ABORTED",
  11: "OUT_OF_RANGE",
  12: "UNIMPLEMENTED",
  13: "INTERNAL",
  14: "UNAVAILABLE",
  15: "DATA_LOSS",
  16: "UNAUTHENTICATED",
};

/** The name of a PJRT_Error_Code; `CODE_<number>` for one that this layer does not know. */
export function errorCodeName(code: number): string {
  return CODES[code] ?? `CODE_${code}`;
}

/** An error that the plugin reported: XLA's own message, its status code, and the PJRT call that failed. */
export class PjrtError extends Error {
  override readonly name = "PjrtError";

  constructor(
    message: string,
    /** absl's status code by name, such as `RESOURCE_EXHAUSTED`. */
    readonly code: string,
    /** The function of the PJRT C API, without its prefix, such as `Client_Compile`. */
    readonly call: string,
  ) {
    super(`${message} [${code} from PJRT_${call}]`);
  }
}

/** A plugin that cannot be used: missing, damaged, not a plugin at all, or of an incompatible version. */
export class PluginError extends Error {
  override readonly name = "PluginError";
}
