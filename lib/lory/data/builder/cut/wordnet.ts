/** WordNet's data files as the entries of a dictionary. Format: wndb(5WN), one line a synset, synsets of a field together. */

const PARTS_OF_SPEECH: Readonly<Record<string, string>> = {
  n: "noun",
  v: "verb",
  a: "adjective",
  s: "adjective",
  r: "adverb",
};

/** A paragraph for each synset: its words, their part of speech and the gloss. Undefined for a file without any. */
export function wordnetText(content: Buffer): string | undefined {
  const entries = content
    .toString("utf8")
    .split("\n")
    .flatMap((line) => entryOf(line) ?? []);
  return entries.length === 0 ? undefined : entries.join("\n\n");
}

function entryOf(line: string): string | undefined {
  const [, type, count, rest, gloss] = /^\d{8} \d\d ([nvasr]) ([0-9a-f]{2}) (.*?) \| (.*)$/.exec(line) ?? [];
  if (gloss === undefined) return undefined;
  const words = rest
    .split(" ")
    .filter((_, index) => index % 2 === 0)
    .slice(0, Number.parseInt(count, 16))
    .map((word) => word.replace(/\((?:a|p|ip)\)$/, "").replaceAll("_", " "));
  return `${words.join(", ")} (${PARTS_OF_SPEECH[type]}): ${gloss.trim()}`;
}
