import { ROOT } from "./places.mjs";

/** A reason to stop that the user can mend: shown as one line, without a stack trace. */
export class SetupError extends Error {
  /**
   * @param {string} message what is wrong and the command that mends it
   * @param {number} [exitCode] the process's exit status
   */
  constructor(message, exitCode = 1) {
    super(message);
    this.name = "SetupError";
    this.exitCode = exitCode;
  }
}

const FILE_SYSTEM = new Map([
  ["ENOSPC", "the disk is full. Free some space"],
  ["EROFS", "the file system is read-only. Use a clone in a folder that can be written to"],
  ["EACCES", "no permission to write there. Use a clone in a folder that can be written to"],
  ["EPERM", "no permission to write there. Use a clone in a folder that can be written to"],
  ["EDQUOT", "the disk quota is used up. Free some space"],
]);

/**
 * Runs a program's main function; errors that the user can mend end the process with one line.
 * @param {() => Promise<number | void>} main gives the exit status, 0 if nothing
 */
export async function endWith(main) {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    const mendable = asMendable(error);
    if (mendable === undefined) throw error;
    console.error(`\n${mendable.message}`);
    process.exitCode = mendable.exitCode;
  }
}

/**
 * The error if it is a SetupError, or one made of a file system's error; undefined for a defect of the program.
 * @param {unknown} error
 * @returns {SetupError | undefined}
 */
export function asMendable(error) {
  if (error instanceof SetupError) return error;
  const { code, path, dest } = /** @type {NodeJS.ErrnoException & { dest?: string }} */ (error);
  const reason = FILE_SYSTEM.get(code ?? "");
  return reason ? new SetupError(`Cannot write ${dest ?? path ?? ROOT}: ${reason}, then run this again.`) : undefined;
}
