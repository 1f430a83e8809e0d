/** Cells have no standard input: reading from it would wait for ever. */
import { Readable } from "node:stream";

/** Makes `process.stdin` a stream whose reading fails and says what to do instead. */
export function refuseInput(): void {
  const refusing = new Readable({
    read() {
      this.destroy(
        new Error(
          "Cells cannot read standard input. Put the value in a cell, or in an environment variable (process.env).",
        ),
      );
    },
  });
  Object.defineProperty(process, "stdin", { value: refusing, configurable: true, enumerable: true });
}
