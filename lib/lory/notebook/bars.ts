import { escapeHtml, Output } from "./display";
import { kernel, type MimeBundle } from "./kernel";

/** What one progress bar shows. */
export interface BarState {
  readonly label: string;
  /** Between 0 and 1; undefined where the end is not known. */
  readonly fraction: number | undefined;
  /** Position, speed, time left. */
  readonly details: string;
}

/** In a notebook a bar is drawn at most this often, elsewhere a line is printed at most that often. */
const DRAW_EVERY_MS = 150;
const PRINT_EVERY_MS = 15_000;

/**
 * Progress bars, one below the other, that are redrawn in place in a notebook; elsewhere the bar that moves is printed as
 * a plain line now and then.
 */
export class Bars {
  readonly #output = new Output();
  #last = -Infinity;

  /**
   * Draws if there is time for it.
   *
   * @param moved the bar that has changed
   * @param isFinal draws in any case: nothing will follow for this bar
   * @returns whether it was drawn
   */
  draw(bars: readonly BarState[], moved: BarState, isFinal = false): boolean {
    const every = kernel() ? DRAW_EVERY_MS : PRINT_EVERY_MS;
    const now = Date.now();
    if (!isFinal && now - this.#last < every) return false;
    this.#last = now;
    if (kernel()) this.#output.set(barsBundle(bars, moved));
    else console.log(barText(moved));
    return true;
  }
}

function barText({ label, details }: BarState): string {
  return label ? `${label}: ${details}` : details;
}

/** Bars as styled HTML without scripts, and as text: there the one that moved comes first, as logs show one line. */
export function barsBundle(bars: readonly BarState[], moved: BarState): MimeBundle {
  const row = ({ label, fraction, details }: BarState) => {
    const percent = (100 * Math.min(1, Math.max(0, fraction ?? 0))).toFixed(1);
    const track =
      fraction === undefined
        ? ""
        : `<div style="width:100%;height:10px;background-color:#80808040"><div style="width:${percent}%;height:10px;background-color:#0072b2"></div></div>`;
    return (
      `<tr><td style="text-align:left;white-space:nowrap">${escapeHtml(label)}</td>` +
      `<td style="width:260px">${track}</td><td style="text-align:left;white-space:nowrap">${escapeHtml(details)}</td></tr>`
    );
  };
  return {
    "text/html": `<table><tbody>${bars.map(row).join("")}</tbody></table>`,
    "text/plain": [moved, ...bars.filter((bar) => bar !== moved)].map(barText).join("\n"),
  };
}
