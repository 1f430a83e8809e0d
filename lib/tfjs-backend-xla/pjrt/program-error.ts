/** A program that is refused before the compiler sees it. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}
