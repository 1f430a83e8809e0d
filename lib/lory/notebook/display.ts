import { kernel, type MimeBundle } from "./kernel";

/** The method by which a value says how a notebook should show it. */
export const DISPLAY: unique symbol = Symbol.for("Jupyter.display");

/** A value that knows how a notebook shows it. */
export interface Displayable {
  [DISPLAY](): MimeBundle;
}

/** Whether a value says how it is shown. */
export function isDisplayable(value: unknown): value is Displayable {
  return typeof value === "object" && value !== null && DISPLAY in value && typeof value[DISPLAY] === "function";
}

/** Shows a value below the cell that runs; outside a notebook prints its text. */
export function display(value: Displayable | MimeBundle): void {
  const bundle = isDisplayable(value) ? value[DISPLAY]() : value;
  const bridge = kernel();
  if (bridge) bridge.show(bundle);
  else console.log(bundle["text/plain"] ?? "");
}

/** Shows Markdown below the cell that runs; outside a notebook prints it. */
export function markdown(text: string): void {
  display({ "text/markdown": text, "text/plain": text });
}

let outputs = 0;

/** One output of a cell that later calls of `set` replace in place. Silent outside a notebook. */
export class Output {
  readonly #id = `lory-${process.pid}-${++outputs}`;
  #shown = false;

  set(value: Displayable | MimeBundle): void {
    kernel()?.show(isDisplayable(value) ? value[DISPLAY]() : value, { id: this.#id, update: this.#shown });
    this.#shown = true;
  }
}

/** Text as the content of an HTML element or of an attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
