import { expect, it } from "vitest";
import { History } from "./history";

function filled(): History {
  const history = new History();
  for (const [i, input] of ["const a = 1", "a + 1", "const b = 2", "a + 1"].entries()) history.add(i + 1, input);
  return history;
}

const lines = (history: History, request: object): number[] => history.answer(request).map(([, line]) => line);

it("answers with the last cells, oldest first", () => {
  expect(filled().answer({ hist_access_type: "tail", n: 2 })).toEqual([
    [0, 3, "const b = 2"],
    [0, 4, "a + 1"],
  ]);
  expect(lines(filled(), {})).toEqual([1, 2, 3, 4]);
  expect(lines(filled(), { hist_access_type: "tail", n: 0 })).toEqual([]);
});

it("answers with a range, its end left out", () => {
  expect(lines(filled(), { hist_access_type: "range", start: 2, stop: 4 })).toEqual([2, 3]);
});

it("searches by pattern, each input once where asked", () => {
  expect(lines(filled(), { hist_access_type: "search", pattern: "const*" })).toEqual([1, 3]);
  expect(lines(filled(), { hist_access_type: "search", pattern: "a ? 1" })).toEqual([2, 4]);
  expect(lines(filled(), { hist_access_type: "search", pattern: "a*", unique: true })).toEqual([4]);
  expect(lines(filled(), { hist_access_type: "search", pattern: "(a" })).toEqual([]);
});
