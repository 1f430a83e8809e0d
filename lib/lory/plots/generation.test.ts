import { expect, it } from "vitest";
import { driftLines, qualityAgainstMemory, routingGap, type Figure } from ".";

/** A figure must come out of JSON as it went in. */
function expectPlain(figure: Figure): void {
  expect(JSON.parse(JSON.stringify(figure))).toEqual(figure);
}

it("draws each domain's gap by segment, and their mean", () => {
  const figure = routingGap([
    { name: "law", values: [0, 2] },
    { name: "mail", values: [1, -1] },
  ]);
  expectPlain(figure);
  expect(figure.data.map(({ name, x, y }) => [name, x, y])).toEqual([
    ["law", [1, 2], [0, 2]],
    ["mail", [1, 2], [1, -1]],
    ["mean", [1, 2], [0.5, 0.5]],
  ]);
  expect(() => routingGap([])).toThrow("there are no domains");
  expect(() => routingGap([{ name: "a", values: [1] }, { name: "b", values: [] }])).toThrow("b has 0 segments, a 1"); // prettier-ignore
});

it("draws drift from the prompt solid and from the segment before dotted, in one colour a kind of text", () => {
  const figure = driftLines([{ name: "written", fromPrompt: [0.1, 0.2], fromBefore: [0.1, 0.05] }]);
  expectPlain(figure);
  const [away, between] = figure.data;
  expect([away.y, between.y]).toEqual([[0.1, 0.2], [0.1, 0.05]]); // prettier-ignore
  expect(between.line).toMatchObject({ dash: "dot", color: (away.line as { color: string }).color });
});

it("draws loss against memory, both ways of weighting ending in the soft model", () => {
  const point = (count: number, renormalize: boolean, lossNats: number) => ({
    count,
    renormalize,
    lossNats,
    weightBytes: count * 1e6,
  });
  const points = [point(1, true, 3), point(1, false, 5), point(4, true, 2)];
  const figure = qualityAgainstMemory(points, { lossNats: 2.5, weightBytes: 1e6 });
  expectPlain(figure);
  expect(figure.data.map(({ x, y }) => [x, y])).toEqual([
    [[1, 4], [3, 2]],
    [[1, 4], [5, 2]],
    [[1], [2.5]],
  ]); // prettier-ignore
  expect(qualityAgainstMemory(points).data).toHaveLength(2);
  expect(() => qualityAgainstMemory([])).toThrow("there are no points");
});
