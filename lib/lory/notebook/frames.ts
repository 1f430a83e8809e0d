import { DISPLAY } from "./display";
import type { MimeBundle } from "./kernel";
import { table, type Cell, type Row } from "./table";

/** What a table needs of a danfojs DataFrame or Series. */
export interface FrameLike {
  readonly columns: readonly string[];
  readonly index: readonly (string | number)[];
  /** Rows of a DataFrame; a Series' values. */
  readonly values: unknown;
}

/** The part of danfojs whose values are to be shown as tables. */
export interface FrameLibrary {
  readonly DataFrame: { readonly prototype: object };
  readonly Series: { readonly prototype: object };
}

/** A data frame as a table; its index is the first column. */
export function frameTable(frame: FrameLike, maxRows?: number): ReturnType<typeof table> {
  const values = frame.values as readonly unknown[];
  const rows = values.map((value, r): Row => {
    const cells = Array.isArray(value) ? value : [value];
    return Object.fromEntries([
      ["index", frame.index[r]],
      ...frame.columns.map((column, c) => [String(column), asCell(cells[c])] as const),
    ]);
  });
  return table(rows, { columns: ["index", ...frame.columns.map(String)], maxRows });
}

function asCell(value: unknown): Cell {
  if (value === null || value === undefined) return undefined;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "string") return value;
  return JSON.stringify(value);
}

/**
 * Makes the data frames and series of danfojs show themselves as tables when they end a cell:
 *
 *     import * as dfd from "danfojs-node";
 *     showFrames(dfd);
 */
export function showFrames({ DataFrame, Series }: FrameLibrary): void {
  for (const { prototype } of [DataFrame, Series]) {
    Object.defineProperty(prototype, DISPLAY, {
      configurable: true,
      writable: true,
      value(this: FrameLike): MimeBundle {
        return frameTable(this)[DISPLAY]();
      },
    });
  }
}
