import { describe, expect, it } from "vitest";
import {
  ClaimError,
  claims,
  perplexityFindings,
  perplexityTable,
  routingDistances,
  routingFindings,
  stageBar,
} from ".";
import { fakeKernel, printed, startOutsideNotebook } from "./fake-kernel";

startOutsideNotebook();

const loss = (domain: string, first: number, rest: number | null) => ({
  domain,
  tokens: 256,
  lossNats: rest === null ? first : (first + 3 * rest) / 4,
  firstSegmentLossNats: first,
  restLossNats: rest,
});
const dense = { name: "dense", domains: [loss("prose", 5, 5), loss("code", 4, 4), loss("law", 4, 3)] };
const experts = { name: "8 experts", domains: [loss("prose", 4.8, 4.9), loss("code", 4, 4.02), loss("law", 3.9, 2.8)] };

describe("perplexityTable", () => {
  it("sets the models side by side, segment 1 and the later ones apart, and closes with the mean loss", () => {
    const [header, prose, ...others] = perplexityTable([dense, experts]).csv.trimEnd().split("\n");
    expect(header.split('","').length).toBe(6);
    const numbers = prose.split(",").slice(2).map(Number);
    const expected = [5, (4.8 + 3 * 4.9) / 4, 5, 4.8, 5, 4.9].map(Math.exp);
    numbers.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 8));
    const mean = others[2].split(",");
    expect(mean.slice(0, 2)).toEqual(["geometric mean", "768"]);
    expect(Number(mean[6])).toBeCloseTo(Math.exp(4), 8);
  });

  it("leaves cells empty where a context is one segment", () => {
    const short = { name: "dense", domains: [loss("prose", 5, null)] };
    expect(perplexityTable([short]).csv.split("\n")[1].endsWith(",")).toBe(true);
  });
});

describe("perplexityFindings", () => {
  it("counts, averages and names the extremes", () => {
    expect(perplexityFindings(dense, experts)).toBe(
      "After the first segment, **8 experts** has a lower held-out perplexity than **dense** in 2 of 3 domains (law, prose). " +
        "Averaged over domains its loss is 0.093 nats lower; it ranges from 0.200 nats lower (law) to 0.020 nats higher (code). " +
        "In the first segment, where its routing sees the text that it predicts, the average is 0.100 nats lower.",
    );
  });

  it("says so just as plainly when the baseline is better", () => {
    const said = perplexityFindings(experts, { ...dense, name: "dense" });
    expect(said).toContain("in 1 of 3 domains (code)");
    expect(said).toContain("its loss is 0.093 nats higher");
  });
});

describe("routingDistances", () => {
  it("is 0 for equal domains, 1 for domains that share no expert, the mean over pairs between", () => {
    const alike = [0.5, 0.5, 0];
    expect(routingDistances([[alike, alike, alike]])).toEqual([0]);
    expect(
      routingDistances([
        [
          [1, 0],
          [0, 1],
        ],
      ]),
    ).toEqual([1]);
    expect(
      routingDistances([
        [
          [1, 0],
          [1, 0],
          [0.4, 0.6],
        ],
      ])[0],
    ).toBeCloseTo(0.4);
  });

  it("is put in words with the largest weight", () => {
    const weights = [
      [
        [0.5, 0.5],
        [0.5, 0.5],
      ],
      [
        [0.9, 0.1],
        [0.3, 0.7],
      ],
    ];
    const said = routingFindings({ domains: ["prose", "code"], layers: [1, 3], weights });
    expect(said).toContain("from the bottom layer to the top: 0.000, 0.600.");
    expect(said).toContain("0.900 (layer 3, prose, expert 0); uniform routing would give 0.500");
  });
});

describe("claims", () => {
  it("shows every claim", () => {
    claims({ "losses are finite": true, "2 < 3": true });
    expect(printed).toEqual(["- losses are finite: holds\n- 2 < 3: holds"]);
    const { html } = fakeKernel();
    claims({ "2 < 3": true });
    expect(html()[0]).toContain("2 &#60; 3: <b>holds</b>");
  });

  it("fails after showing, naming those that are false", () => {
    const making = () => claims({ a: true, b: false, c: false });
    expect(making).toThrow(ClaimError);
    expect(making).toThrow('"b" and "c": no longer true');
    expect(printed[0]).toBe("- a: holds\n- b: FAILS\n- c: FAILS");
  });
});

describe("stageBar", () => {
  it("draws stages in place, their beginnings and ends in any case", () => {
    const { html, shown } = fakeKernel();
    const bar = stageBar("corpus");
    for (let done = 1; done <= 4; done++) bar({ stage: "fetch", done, total: 4, detail: "zod" });
    bar({ stage: "write", done: 0, total: 2, detail: "" });
    expect(html().map((text) => /(fetch|write) \d \/ \d/.exec(text)?.[0])).toEqual([
      "fetch 1 / 4",
      "fetch 4 / 4",
      "write 0 / 2",
    ]);
    expect(new Set(shown.map(({ options }) => options?.id)).size).toBe(1);
  });
});
