import { describe, expect, it } from "vitest";
import { exactDuplicates, mostlyRepeated } from "./duplicates";

const paragraph = (topic: string) =>
  `This paragraph says something about ${topic}, at sufficient length to be compared.`;

describe("exactDuplicates", () => {
  it("finds the same words in the same order, whatever the spacing", () => {
    const isDuplicate = exactDuplicates();
    expect(["a b", "b a", " a\n\nb ", "A b", "a b c", "b  a"].map(isDuplicate)).toEqual([
      false,
      false,
      true,
      false,
      false,
      true,
    ]);
  });
});

describe("mostlyRepeated", () => {
  it("finds documents that repeat more than a third of what can be compared", () => {
    const isRepeated = mostlyRepeated();
    const [a, b, c, d, e] = ["aaaa", "bbbb", "cccc", "dddd", "eeee"].map(paragraph);
    expect(isRepeated(`${a}\n\n${b}`)).toBe(false);
    expect(isRepeated(`${a}\n\n${c}`)).toBe(true);
    expect(isRepeated(`${a}\n\n${c}\n\n${d}\n\n${e}`)).toBe(false);
    expect(isRepeated(d)).toBe(true);
  });

  it("sees through case, wrapping, quotation and comment marks, and ignores short paragraphs", () => {
    const isRepeated = mostlyRepeated();
    const text = paragraph("quotation");
    expect(isRepeated(text)).toBe(false);
    const words = text.toUpperCase().split(" ");
    const quoted = `> > ${words.slice(0, 6).join(" ")}\n> > ${words.slice(6).join("  ")}`;
    expect(isRepeated(`On Monday someone wrote:\n>\n${quoted}\n\nYes.`)).toBe(true);
    expect(["Yes.", "Yes.", "Hello\n\nYes."].map(isRepeated)).toEqual([false, false, false]);
  });
});
