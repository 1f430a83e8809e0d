import fc from "fast-check";
import { expect, it } from "vitest";
import { textStream } from "./text-stream";

/** Byte-level, as GPT-2's tokenizer is: here a token is one byte. */
const bytes = (ids: number[]): string => Buffer.from(ids).toString("utf8");
/** As a SentencePiece tokenizer decodes: a text's first space is dropped. */
const spaceless = (ids: number[]): string => bytes(ids).replace(/^ /, "");

function pieces(ids: readonly number[], decode: (ids: number[]) => string): string[] {
  const stream = textStream(decode);
  return [...ids.map((id) => stream.push(id)), stream.end()];
}

it("gives a character when its last byte is there, and not before", () => {
  expect(pieces([...Buffer.from("aé😀b")], bytes)).toEqual(["a", "", "é", "", "", "", "😀", "b", ""]);
});

it("gives an unfinished character up at the end", () => {
  expect(pieces([...Buffer.from("a😀")].slice(0, 3), bytes)).toEqual(["a", "", "", "\uFFFD"]);
});

it("does not wait for ever behind bytes that are no text", () => {
  const stream = textStream(bytes);
  const given = Array.from({ length: 50 }, () => stream.push(0x80)).join("");
  expect(given.length).toBeGreaterThanOrEqual(47);
  expect(given + stream.end()).toBe("\uFFFD".repeat(50));
});

it("keeps spaces between tokens of a tokenizer that drops the first", () => {
  expect(pieces([...Buffer.from(" a b")], spaceless).join("")).toBe("a b");
});

it("gives all of any text, and no piece of a character", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 12 }), (text) => {
      const given = pieces([...Buffer.from(text)], bytes);
      expect(given.join("")).toBe(Buffer.from(text).toString("utf8"));
      for (const piece of given) expect(piece.isWellFormed()).toBe(true);
    }),
  );
});

it("gives what the whole decodes to for any bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (ids) => {
      expect(pieces([...ids], bytes).join("")).toBe(bytes([...ids]));
    }),
  );
});
