import path from "node:path";
import type { Table } from "lory/notebook";
import { replaceFile } from "./files";
import { projectFolder, resultsFolder } from "./project";

/** What a notebook found, as it is kept. */
export interface Report {
  readonly title: string;
  /** What came out, in Markdown, made from the numbers. */
  readonly statement: string;
  /** By file name; each is part of the summary, and a CSV file with its numbers in full. */
  readonly tables: Readonly<Record<string, Table>>;
  /** The files that figures were written to. */
  readonly figures: readonly string[];
  /** The same results for programs: parameters, run ids, numbers. */
  readonly data: object;
}

/**
 * Writes `summary.md` (statement and tables), `summary.json`, a CSV file for each table and `figures.txt` (the paths of the
 * figures from the clone's root, one a line) to a folder, each file whole or not at all.
 *
 * @param name the folder under `results`
 * @param dir the folder itself, if it is another
 * @returns the paths written
 */
export function writeReport(name: string, report: Report, dir = resultsFolder(name)): string[] {
  const tables = Object.entries(report.tables);
  const root = projectFolder() ?? process.cwd();
  const fromRoot = (file: string) => path.relative(root, file).split(path.sep).join("/");
  const summary = [`# ${report.title}`, report.statement.trim(), ...tables.map(([, table]) => table.markdown)];
  const files: Record<string, string> = {
    "summary.md": `${summary.join("\n\n")}\n`,
    "summary.json": `${JSON.stringify(report.data, null, 2)}\n`,
    "figures.txt": report.figures.map((file) => `${fromRoot(file)}\n`).join(""),
    ...Object.fromEntries(tables.map(([file, table]) => [`${file}.csv`, table.csv])),
  };
  return Object.entries(files).map(([file, content]) => {
    replaceFile(path.join(dir, file), content);
    return path.join(dir, file);
  });
}
