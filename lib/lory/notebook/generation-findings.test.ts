import { expect, it } from "vitest";
import {
  driftFindings,
  panelFindings,
  routingComparisonFindings,
  sparseFindings,
  speedFindings,
} from "./generation-findings";

it("says which way of routing is ahead, by how much, and where that is beyond chance", () => {
  const domain = (name: string, mean: number) => ({ domain: name, mean, low: mean - 0.01, high: mean + 0.01 });
  const difference = {
    domains: [domain("law", 0.02), domain("mail", -0.02), domain("code", 0.005)],
    total: { mean: 0.0017, low: -0.004, high: 0.008 },
  };
  const text = routingComparisonFindings(difference, [0, 0.01], 64);
  expect(text).toContain("Behind prompts of 64 tokens, routing by the prompt alone has a loss 0.0017 nats higher");
  expect(text).toContain("(95 % interval −0.0040 to +0.0080, over windows); this interval includes zero.");
  expect(text).toContain("above zero in 1 of 3 (law) and below it in 1 (mail).");
  expect(text).toContain("the difference is +0.0000 nats, in the last +0.0100.");
});

it("says how far routing moved", () => {
  expect(driftFindings([{ name: "real text", fromPrompt: [0.1, 0.25], fromBefore: [0.1, 0.2] }])).toBe(
    "In real text, routing is 0.100 away from the prompt's end in the first segment behind it and 0.250 in the last (segment 2), " +
      "in total variation distance; from one segment to the next it moves by 0.150 on average.",
  );
});

it("compares speeds by the median of the rounds' ratios", () => {
  const dense = { name: "dense", msPerToken: [1, 2, 1] };
  expect(speedFindings([dense, { name: "Lory", msPerToken: [1.1, 2, 1.3] }])).toBe(
    "A token of dense takes 1.00 ms. A token of Lory takes 1.100 times as long as one of dense (rounds 1.00 to 1.30).",
  );
});

it("says what each expert that is left out costs and saves", () => {
  const point = (count: number, renormalize: boolean, lossNats: number) => ({
    count,
    renormalize,
    lossNats,
    weightBytes: 50 * count,
  });
  expect(sparseFindings([point(1, true, 2.5), point(4, true, 2)])).toBe(
    "Against all 4 experts, a loss of 2.000 nats: the highest expert of a prompt alone, weights renormalized, +0.5000 nats with 25 % of the bytes.",
  );
});

it("says of a panel what its seeds have in common, and how far they differ", () => {
  const seed = (number: number, mean: number, kept: number) => ({
    seed: number,
    difference: { domains: [], total: { mean, low: mean - 0.01, high: mean + 0.01 } },
    sparse: [
      { count: 1, renormalize: true, lossNats: kept, weightBytes: 1 },
      { count: 1, renormalize: false, lossNats: 9, weightBytes: 1 },
      { count: 2, renormalize: true, lossNats: 4, weightBytes: 2 },
    ],
  });
  expect(panelFindings([seed(0, 0.02, 4.5), seed(1, -0.004, 4.3)])).toBe(
    "Over 2 seeds, routing by the prompt alone has a loss 0.0080 nats higher than routing each segment anew, −0.0040 to +0.0200 by seed; " +
      "the seed's interval lies above zero in 1 and below it in 0 of 2. In nats against all experts, keeping a prompt's highest with renormalized " +
      "weights costs: 1 of them +0.4000 (+0.3000 to +0.5000).",
  );
});
