/** Text that ends before the first of some strings. */
export interface StopStrings {
  /** Takes new text; returns what is certain to stand before any of the strings, and whether one has come. */
  push(text: string): { readonly text: string; readonly isStopped: boolean };
  /** The rest, when no text follows. */
  end(): string;
}

/** Watches a text for strings that end it, and are not part of it; what could be the beginning of one is held back. */
export function stopStrings(strings: readonly string[]): StopStrings {
  let held = "";
  return {
    push: (text) => {
      held += text;
      const places = strings.map((string) => held.indexOf(string)).filter((place) => place >= 0);
      if (places.length > 0) return { text: held.slice(0, Math.min(...places)), isStopped: true };
      const possible = Math.max(0, ...strings.map((string) => overlap(held, string)));
      const certain = held.slice(0, held.length - possible);
      held = held.slice(held.length - possible);
      return { text: certain, isStopped: false };
    },
    end: () => {
      const rest = held;
      held = "";
      return rest;
    },
  };
}

/** The length of the longest end of a text that a string, longer than that, begins with. */
function overlap(text: string, string: string): number {
  let length = Math.min(text.length, string.length - 1);
  while (length > 0 && !text.endsWith(string.slice(0, length))) length--;
  return length;
}
