import { DISPLAY, Output } from "./display";
import { table, type Row } from "./table";

/** Text that is new in one row of several texts that are written at once. */
export interface StreamedPiece {
  readonly row: number;
  readonly text: string;
}

export interface StreamTextsOptions {
  /** What stands before each text, and the columns beside it. */
  readonly rows: readonly Row[];
  /** The column of the texts. */
  readonly column: string;
  /** Shown again at most this often; default every 100 ms. */
  readonly everyMs?: number;
}

/**
 * Shows texts below the cell while they are written, as a table that grows in place; outside a notebook nothing is shown.
 *
 *     const texts = await streamTexts(generateBatch(params, config, tokenizer, prompts), { rows, column: "goes on with" });
 *
 * @returns what the stream returns at its end
 */
export async function streamTexts<T>(
  stream: AsyncGenerator<StreamedPiece, T, undefined>,
  { rows, column, everyMs = 100 }: StreamTextsOptions,
): Promise<T> {
  const output = new Output();
  const texts = rows.map(() => "");
  let shownAt = -Infinity;
  const show = (): void => {
    shownAt = Date.now();
    output.set(table(rows.map((row, i) => ({ ...row, [column]: texts[i] })))[DISPLAY]());
  };
  for (;;) {
    const next = await stream.next();
    if (next.done) {
      show();
      return next.value;
    }
    texts[next.value.row] += next.value.text;
    if (Date.now() - shownAt >= everyMs) show();
  }
}
