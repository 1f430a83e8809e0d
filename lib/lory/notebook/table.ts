import { DISPLAY, escapeHtml, type Displayable } from "./display";
import { formatCount } from "./numbers";

export type Cell = string | number | boolean | null | undefined;
export type Row = Readonly<Record<string, Cell>>;

export interface TableOptions {
  /** Columns in order; default: the keys of all rows in the order in which they first appear. */
  readonly columns?: readonly string[];
  /** Decimals of a column's numbers; default: none where all are whole, else four significant digits. */
  readonly digits?: Readonly<Record<string, number>>;
  readonly caption?: string;
  /** Rows shown; default 50. The CSV has all. */
  readonly maxRows?: number;
}

/** Rows in the forms in which a notebook, a paper and a program read them. */
export interface Table extends Displayable {
  readonly html: string;
  readonly markdown: string;
  readonly text: string;
  /** Numbers in full, not as displayed (RFC 4180). */
  readonly csv: string;
}

/**
 * A table of rows that a notebook shows as a table.
 *
 * @throws RangeError if `columns` or `digits` names a column that no row has
 */
export function table(rows: readonly Row[], options: TableOptions = {}): Table {
  const known = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const { columns = known, digits = {}, caption = "", maxRows = 50 } = options;
  for (const column of [...columns, ...Object.keys(digits)]) {
    if (rows.length && !known.includes(column)) {
      throw new RangeError(
        `the table has no column "${column}"; it has ${known.map((name) => `"${name}"`).join(", ")}`,
      );
    }
  }
  const shown = rows.slice(0, maxRows);
  const formats = columns.map((column) =>
    formatter(
      shown.map((row) => row[column]),
      digits[column],
    ),
  );
  const cells = shown.map((row) => columns.map((column, c) => formats[c](row[column])));
  const isNumeric = columns.map((column) => shown.some((row) => typeof row[column] === "number"));
  const left = rows.length - shown.length;
  const rest = left > 0 ? `… and ${formatCount(left)} more rows` : "";
  const parts: Layout = { columns, cells, isNumeric, caption, rest };
  const [html, markdown, text] = [asHtml(parts), asMarkdown(parts), asText(parts)];
  return {
    html,
    markdown,
    text,
    csv: asCsv(columns, rows),
    [DISPLAY]: () => ({ "text/html": html, "text/markdown": markdown, "text/plain": text }),
  };
}

/** What all forms of a table have in common: formatted cells. */
interface Layout {
  readonly columns: readonly string[];
  readonly cells: readonly (readonly string[])[];
  readonly isNumeric: readonly boolean[];
  readonly caption: string;
  readonly rest: string;
}

function formatter(values: readonly Cell[], decimals: number | undefined): (value: Cell) => string {
  const numbers = values.filter((value) => typeof value === "number");
  const areWhole = numbers.every((value) => Number.isInteger(value));
  return (value) => {
    if (value === null || value === undefined) return "";
    if (typeof value !== "number") return String(value);
    if (!Number.isFinite(value)) return String(value);
    if (decimals !== undefined) return value.toFixed(decimals);
    return areWhole ? formatCount(value) : Number(value.toPrecision(4)).toString();
  };
}

function asHtml({ columns, cells, isNumeric, caption, rest }: Layout): string {
  const align = (c: number) => `text-align:${isNumeric[c] ? "right" : "left"}`;
  const head = columns.map((column, c) => `<th style="${align(c)}">${escapeHtml(column)}</th>`).join("");
  const body = cells.map(
    (row) =>
      `<tr>${row.map((cell, c) => `<td style="${align(c)}${cell.includes("\n") ? ";white-space:pre-wrap" : ""}">${escapeHtml(cell)}</td>`).join("")}</tr>`,
  );
  return (
    `<table>${caption && `<caption style="text-align:left">${escapeHtml(caption)}</caption>`}` +
    `<thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table>${rest && `<p>${rest}</p>`}`
  );
}

function asMarkdown({ columns, cells, isNumeric, caption, rest }: Layout): string {
  const line = (row: readonly string[]) =>
    `| ${row.map((cell) => cell.replace(/([|\\])/g, "\\$1").replace(/\s*\n\s*/g, " ")).join(" | ")} |`;
  const rule = `|${isNumeric.map((numeric) => (numeric ? " ---: " : " :--- ")).join("|")}|`;
  return [...(caption ? [caption, ""] : []), line(columns), rule, ...cells.map(line), ...(rest ? ["", rest] : [])].join(
    "\n",
  );
}

function asText({ columns, cells, isNumeric, caption, rest }: Layout): string {
  const all = [columns, ...cells].map((row) => row.map((cell) => cell.replace(/\s*\n\s*/g, " ")));
  const widths = columns.map((_, c) => Math.max(...all.map((row) => row[c].length)));
  const lines = all.map((row) =>
    row
      .map((cell, c) => (isNumeric[c] ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join("  ")
      .trimEnd(),
  );
  const rule = widths
    .map((width) => "-".repeat(width))
    .join("  ")
    .trimEnd();
  return [...(caption ? [caption] : []), lines[0], rule, ...lines.slice(1), ...(rest ? [rest] : [])].join("\n");
}

function asCsv(columns: readonly string[], rows: readonly Row[]): string {
  const field = (value: Cell) => {
    const text = value === null || value === undefined ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
  };
  return [columns, ...rows.map((row) => columns.map((column) => row[column]))]
    .map((row) => `${row.map(field).join(",")}\n`)
    .join("");
}
