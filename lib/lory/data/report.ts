/** A built corpus as Markdown tables, for the terminal and for its README. */
import { type Counts, type Manifest, type SplitName, SPLITS, type StepCounts } from "./manifest";

const integer = new Intl.NumberFormat("en-US");
const megabytes = (bytes: number) => (bytes / 1e6).toFixed(2);

/** Columns of a table; those of numbers stand to the right. */
interface Column<Row> {
  title: string;
  cell: (row: Row) => string;
  numeric?: boolean;
}

/** A Markdown table with padded columns. */
export function markdownTable<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ cell }) => cell(row)))];
  const widths = columns.map((_, column) => Math.max(3, ...cells.map((line) => [...line[column]].length)));
  const pad = (text: string, column: number) => {
    const space = " ".repeat(widths[column] - [...text].length);
    return columns[column].numeric === true ? space + text : text + space;
  };
  const rule = columns.map(({ numeric }, column) =>
    numeric === true ? `${"-".repeat(widths[column] - 1)}:` : "-".repeat(widths[column]),
  );
  const [head, ...body] = cells.map((line) => line.map(pad));
  return [head, rule, ...body].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

const sum = (a: Counts, b: Counts): Counts => ({
  documents: a.documents + b.documents,
  bytes: a.bytes + b.bytes,
  tokens: a.tokens + b.tokens,
});

/** Documents, bytes and tokens of each domain, on all sides of the split. */
export function domainTable({ domains }: Manifest): string {
  const none: Counts = { documents: 0, bytes: 0, tokens: 0 };
  const of = (some: Manifest["domains"], split: SplitName) =>
    some.map(({ splits }) => splits[split] ?? none).reduce(sum, none);
  const row = (name: string, description: string, some: Manifest["domains"]) => {
    const [train, validation, heldOut] = SPLITS.map((split) => of(some, split));
    return { name, description, train, validation, heldOut, all: [train, validation, heldOut].reduce(sum) };
  };
  const rows = [...domains.map((domain) => row(domain.name, domain.description, [domain])), row("all", "", domains)];
  type Row = (typeof rows)[number];
  const number = (title: string, value: (row: Row) => number): Column<Row> => ({
    title,
    cell: (each) => integer.format(value(each)),
    numeric: true,
  });
  const validation = [
    number("validation documents", (each) => each.validation.documents),
    number("validation tokens", (each) => each.validation.tokens),
  ];
  return markdownTable(rows, [
    { title: "domain", cell: ({ name }) => name },
    { title: "what", cell: ({ description }) => description },
    number("train documents", ({ train }) => train.documents),
    { title: "train MB", cell: ({ train }) => megabytes(train.bytes), numeric: true },
    number("train tokens", ({ train }) => train.tokens),
    ...(rows.some((each) => each.validation.documents > 0) ? validation : []),
    number("held-out documents", ({ heldOut }) => heldOut.documents),
    number("held-out tokens", ({ heldOut }) => heldOut.tokens),
    { title: "bytes a token", cell: ({ all }) => (all.bytes / all.tokens).toFixed(2), numeric: true },
  ]);
}

/** What was left of each domain after each step, in documents (files, before they are cut) and megabytes. */
export function stepTable({ domains }: Manifest): string {
  const names = [...new Set(domains.flatMap(({ steps }) => steps.map(({ step }) => step)))];
  const found = (steps: StepCounts[], name: string) => steps.find(({ step }) => step === name);
  return markdownTable(names, [
    { title: "left after", cell: (name) => name },
    ...domains.map(({ name: title, steps }) => ({
      title,
      cell: (name: string) => {
        const step = found(steps, name);
        return step === undefined ? "" : `${integer.format(step.documents)} / ${megabytes(step.bytes)}`;
      },
      numeric: true,
    })),
  ]);
}

/** The packages: version, licence, and what of them is in the corpus. */
export function sourceTable({ sources }: Manifest): string {
  return markdownTable(sources, [
    { title: "package", cell: (source) => `${source.ecosystem}: ${source.package}` },
    { title: "version", cell: ({ version }) => version },
    { title: "domain", cell: ({ domain }) => domain },
    { title: "licence of the text", cell: ({ licence }) => licence },
    { title: "download MB", cell: ({ downloadBytes }) => megabytes(downloadBytes), numeric: true },
    { title: "documents", cell: ({ documents }) => integer.format(documents), numeric: true },
    { title: "MB", cell: ({ bytes }) => megabytes(bytes), numeric: true },
    { title: "tokens", cell: ({ tokens }) => integer.format(tokens), numeric: true },
  ]);
}

/** All tables of a corpus under headings. */
export function corpusReport(manifest: Manifest): string {
  const { tokenizer } = manifest;
  return [
    `Corpus hash \`${manifest.hash.slice(0, 16)}\`, tokenizer \`${tokenizer.name}\` (${integer.format(tokenizer.vocabSize)} pieces).`,
    "### Domains",
    domainTable(manifest),
    "### Packages",
    sourceTable(manifest),
    "### What each step left",
    "Documents (files, as long as they are not cut) and megabytes of text.",
    stepTable(manifest),
  ].join("\n\n");
}

const README_START = "<!-- generated: start -->";
const README_END = "<!-- generated: end -->";

/**
 * A README with the tables between its two marks replaced.
 *
 * @throws RangeError when the marks are missing
 */
export function withReport(readme: string, manifest: Manifest): string {
  const [start, end] = [readme.indexOf(README_START), readme.indexOf(README_END)];
  if (start < 0 || end < start) throw new RangeError(`the README has no lines ${README_START} and ${README_END}`);
  return `${readme.slice(0, start)}${README_START}\n\n${corpusReport(manifest)}\n\n${readme.slice(end)}`;
}
