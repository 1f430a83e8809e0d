import { figureTitle, withShortNumbers, type Figure } from "../plots";
import { Output } from "./display";
import type { MimeBundle } from "./kernel";

/** A figure as a notebook shows it: plotly's JSON, and a line of text where that is not drawn. */
export function figureBundle(figure: Figure, text = `[figure: ${figureTitle(figure) || "untitled"}]`): MimeBundle {
  return { "application/vnd.plotly.v1+json": withShortNumbers(figure), "text/plain": text };
}

/** A figure that is redrawn in place, at most once in `everyMs`; nothing outside a notebook. */
export class LiveFigure {
  readonly #output = new Output();
  #last = -Infinity;

  constructor(readonly everyMs = 1000) {}

  /**
   * Draws `figure` if it is time for it.
   *
   * @param figure called only if it is drawn
   * @param isFinal draws in any case
   */
  draw(figure: () => Figure, isFinal = false): void {
    const now = Date.now();
    if (!isFinal && now - this.#last < this.everyMs) return;
    this.#last = now;
    this.#output.set(figureBundle(figure()));
  }
}
