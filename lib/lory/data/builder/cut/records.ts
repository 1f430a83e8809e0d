/** Text of packages that hold their documents as JSON. */

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Starts a section: the form feed never occurs in cleaned text, so it marks where a record's parts begin. */
export const SECTION_MARK = "\f";

function isRecord(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function lookUp(value: Json, ...keys: string[]): Json | undefined {
  return keys.reduce<Json | undefined>((inner, key) => (isRecord(inner) ? inner[key] : undefined), value);
}

/** A country's profile: a title and one paragraph of "key: text" lines for each section. Undefined for other JSON. */
export function factbookText(json: string): string | undefined {
  const profile = JSON.parse(json) as Json;
  const names = ["conventional short form", "conventional long form"].map((form) =>
    lookUp(profile, "Government", "Country name", form, "text"),
  );
  const name = names.find((each) => typeof each === "string" && each !== "none");
  if (!isRecord(profile) || typeof name !== "string") return undefined;
  return Object.entries(profile)
    .map(([section, content]) => `${SECTION_MARK}${name}: ${section}\n\n${outline(content, "").join("\n")}\n`)
    .join("\n");
}

/** Lines "key: text", nested keys indented below theirs. */
function outline(value: Json, indent: string): string[] {
  if (!isRecord(value)) return value === null ? [] : [`${indent}${plain(value)}`];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (isRecord(inner) && typeof inner.text === "string") return [`${indent}${key}: ${withoutMarks(inner.text)}`];
    if (!isRecord(inner)) return [`${indent}${key}: ${plain(inner)}`];
    return [`${indent}${key}:`, ...outline(inner, `${indent}  `)];
  });
}

/** A value as text; lists keep their JSON form. */
function plain(value: Json | undefined): string {
  return typeof value === "object" ? JSON.stringify(value) : String(value ?? "");
}

/** The profiles' source marks the items of a list with "++". */
function withoutMarks(text: string): string {
  return text.replace(/\s*-?\s*\+\+\s*/g, "; ").replace(/^; /, "");
}

/** A licence: its name and its text. */
export function licenceText(json: string): string | undefined {
  const licence = JSON.parse(json) as Json;
  const [name, text] = [lookUp(licence, "name"), lookUp(licence, "licenseText")];
  return typeof name === "string" && typeof text === "string" ? `${name}\n\n${text}` : undefined;
}

/** A constitution given as a list of articles: each is a section with its number, its title and its text. */
export function constitutionText(json: string): string | undefined {
  const articles = JSON.parse(json) as Json;
  if (!Array.isArray(articles)) return undefined;
  return articles
    .map((article) => {
      const [number, title, description] = ["article", "title", "description"].map((key) => lookUp(article, key));
      return `${SECTION_MARK}Article ${plain(number)}. ${plain(title)}\n\n${plain(description)}\n`;
    })
    .join("\n");
}
