import { expect, it, vi } from "vitest";
import { fakeKernel, startOutsideNotebook } from "./fake-kernel";
import { streamTexts, type StreamedPiece } from "./stream-texts";

startOutsideNotebook();

async function* stream(pieces: readonly StreamedPiece[]): AsyncGenerator<StreamedPiece, string, undefined> {
  for (const piece of pieces) {
    vi.advanceTimersByTime(60);
    yield await Promise.resolve(piece);
  }
  return "the end";
}

const rows = [{ domain: "law" }, { domain: "mail" }];
const pieces = ["a", "b", "c"].map((text, i) => ({ row: i % 2, text }));

it("shows texts in place while they grow, not every time, and at the end in any case", async () => {
  const { shown, html } = fakeKernel();
  expect(await streamTexts(stream(pieces), { rows, column: "text" })).toBe("the end");
  expect(shown.map(({ options }) => options?.update)).toEqual([false, true, true]);
  const [first, , last] = html();
  expect([first.includes(">a<"), first.includes(">b<")]).toEqual([true, false]);
  expect([last.includes(">ac<"), last.includes(">b<"), last.includes("law")]).toEqual([true, true, true]);
});

it("only passes the result on outside a notebook", async () => {
  expect(await streamTexts(stream(pieces), { rows, column: "text" })).toBe("the end");
});
