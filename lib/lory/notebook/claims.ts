import { display, escapeHtml } from "./display";

/** Claims that a notebook makes do not hold; the message names them. */
export class ClaimError extends Error {
  override readonly name = "ClaimError";
}

/**
 * States what must hold, as sentences with their truth: shows them all, and fails if one is false.
 *
 *     claims({ "both models saw the same tokens": dense.tokens === experts.tokens });
 *
 * @throws ClaimError that names every claim that is false
 */
export function claims(sentences: Readonly<Record<string, boolean>>): void {
  const entries = Object.entries(sentences);
  const mark = (holds: boolean) => (holds ? "holds" : "FAILS");
  const items = entries.map(([sentence, holds]) => `<li>${escapeHtml(sentence)}: <b>${mark(holds)}</b></li>`);
  display({
    "text/html": `<ul>${items.join("")}</ul>`,
    "text/plain": entries.map(([sentence, holds]) => `- ${sentence}: ${mark(holds)}`).join("\n"),
  });
  const failed = entries.flatMap(([sentence, holds]) => (holds ? [] : [`"${sentence}"`]));
  if (failed.length) throw new ClaimError(`${failed.join(" and ")}: no longer true of these results`);
}
