/** Text of HTML and XML pages, as far as documentation needs: headings marked, code kept as it is set. */
import { decodeHTML } from "entities";
import { decodeUtf8 } from "../clean";

/** Elements whose content is no text of the page. */
const HIDDEN =
  /<(script|style|head|nav|header|footer|svg|template|noscript|form|select|button)\b[^>]*>[^]*?<\/\1\s*>|<!--[^]*?-->|<!\[CDATA\[|\]\]>|<[?!][^>]*>/gi;
/** Page furniture that generators of documentation mark by class. */
const FURNITURE =
  /<(?:a|div|span|p|ul)\b[^>]*class="[^"]*\b(?:headerlink|navigation|navheader|navfooter|sphinxsidebar|breadcrumbs|navbar|t-navbar|related|footer)\b[^"]*"[^>]*>(?:[^<]|<(?!\/?(?:div|ul)\b)[^>]*>)*?<\/(?:a|div|span|p|ul)>/gi;
const PREFORMATTED = /<pre\b[^>]*>([^]*?)<\/pre\s*>/gi;
const HEADING = /<h([1-6])\b[^>]*>/gi;
const BLOCK_END =
  /<\/(?:p|div|h[1-6]|section|article|table|ul|ol|dl|blockquote|pre|verse|chapter|figure)\s*>|<hr\b[^>]*>/gi;
const LINE_END = /<br\b[^>]*>|<lb?\b[^>]*\/>|<\/(?:li|tr|dt|dd|l)\s*>/gi;
const CELL_END = /<\/t[dh]\s*>/gi;
/** Stands for a line end inside preformatted text, while spaces are folded. */
const KEPT_LINE = "\ue000";
const KEPT_SPACE = "\ue001";

/** The text of a page; undefined when it is not UTF-8. */
export function htmlText(content: Buffer): string | undefined {
  const page = decodeUtf8(content);
  if (page === undefined) return undefined;
  const body = page.replace(HIDDEN, " ").replace(FURNITURE, " ");
  const marked = body
    .replace(
      PREFORMATTED,
      (_, code: string) => `</p>${code.replaceAll("\n", KEPT_LINE).replaceAll(" ", KEPT_SPACE)}</p>`,
    )
    .replace(/\s+/g, " ")
    .replace(HEADING, (_, level: string) => `\n\n${"#".repeat(Number(level))} `)
    .replace(BLOCK_END, "\n\n")
    .replace(LINE_END, "\n")
    .replace(CELL_END, "  ")
    .replace(/<\/?[a-z][^>]*>/gi, "");
  return decodeHTML(marked)
    .replaceAll(KEPT_LINE, "\n")
    .replaceAll(KEPT_SPACE, " ")
    .replace(/^ (?! )/gm, "")
    .replace(/\n{3,}/g, "\n\n");
}
