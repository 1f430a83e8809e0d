import fc from "fast-check";
import { expect, it } from "vitest";
import { stopStrings } from "./stop-strings";

function fed(pieces: readonly string[], strings: readonly string[]): { given: string[]; isStopped: boolean } {
  const watch = stopStrings(strings);
  const given: string[] = [];
  for (const piece of pieces) {
    const { text, isStopped } = watch.push(piece);
    given.push(text);
    if (isStopped) return { given, isStopped };
  }
  return { given: [...given, watch.end()], isStopped: false };
}

it("gives text at once that cannot begin a string, and holds back what can", () => {
  expect(fed(["ab", "c", "\n", "x", "\n", "\n", "y"], ["\n\n"])).toEqual({
    given: ["ab", "c", "", "\nx", "", ""],
    isStopped: true,
  });
  expect(fed(["a\n"], ["\n\n"])).toEqual({ given: ["a", "\n"], isStopped: false });
});

it("ends before the string that comes first, wherever pieces are cut", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  const stops = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 3 }), {
    maxLength: 3,
  });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 5 }), stops, (pieces, strings) => {
      const whole = pieces.join("");
      const places = strings.map((string) => whole.indexOf(string)).filter((place) => place >= 0);
      const { given, isStopped } = fed(pieces, strings);
      expect(isStopped).toBe(places.length > 0);
      expect(given.join("")).toBe(places.length > 0 ? earliest(pieces, strings) : whole);
    }),
  );
});

/** The text before the first string in the shortest run of pieces that holds one. */
function earliest(pieces: readonly string[], strings: readonly string[]): string {
  for (let count = 1; ; count++) {
    const text = pieces.slice(0, count).join("");
    const places = strings.map((string) => text.indexOf(string)).filter((place) => place >= 0);
    if (places.length > 0) return text.slice(0, Math.min(...places));
  }
}
