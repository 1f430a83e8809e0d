import fc from "fast-check";
import { beforeAll, test } from "vitest";
import { compareForward, tinyConfig, useTestBackend } from "../testing";
import { ROUTING_MODES } from "../moe";

beforeAll(useTestBackend);

test("forward and loss equal the float64 reference on models of any shape", () => {
  const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
  fc.assert(
    fc.property(
      fc.record({
        vocabSize: integer(1, 20),
        numHeads: integer(1, 3),
        pairs: integer(1, 3),
        dFfn: integer(1, 7),
        numLayers: integer(1, 3),
        numExperts: integer(0, 5),
        contextLength: integer(1, 12),
        segmentShare: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      integer(1, 3),
      integer(0, 2 ** 30),
      ({ pairs, segmentShare, ...keys }, batch, seed) => {
        const segmentLength = 1 + Math.round(segmentShare * (keys.contextLength - 1));
        const config = tinyConfig({ ...keys, dModel: 2 * pairs * keys.numHeads, segmentLength });
        compareForward(config, batch, config.contextLength, seed);
      },
    ),
    // Each model is compiled anew.
    { numRuns: 25 },
  );
});

test("a pass of training or evaluation in any mode equals the float64 reference, whatever the sizes", () => {
  const integer = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
  fc.assert(
    fc.property(
      fc.record({
        routingMode: fc.constantFrom(...ROUTING_MODES),
        numExperts: integer(1, 6),
        dFfn: integer(2, 7),
        contextLength: integer(1, 12),
        normTopkProb: fc.boolean(),
        expertChoiceUnit: fc.constantFrom("segment", "token"),
        expertChoicePool: fc.constantFrom("batch", "sequence"),
        segmentShare: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      }),
      fc.record({ segment: integer(1, 12), perToken: integer(1, 6), pool: integer(1, 6) }),
      fc.constantFrom("evaluation", "training"),
      integer(1, 3),
      integer(0, 2 ** 30),
      (keys, most, kind, batch, seed) => {
        const { numExperts: E, contextLength: L, routingMode } = keys;
        const numExpertsPerTok = routingMode === "segment_and_token" ? 1 : Math.min(E, most.perToken);
        const config = tinyConfig({
          ...keys,
          // Equal texts have equal scores, which rounding would tell apart: there are none among so many tokens.
          vocabSize: 5000,
          segmentLength: Math.min(L, most.segment),
          numExpertsPerTok,
          expertPoolSize: Math.max(numExpertsPerTok, Math.min(E, most.pool)),
          capacityFactor: Math.min(E, most.perToken),
        });
        compareForward(config, batch, L, seed, kind);
      },
    ),
    { numRuns: 40 },
  );
});
