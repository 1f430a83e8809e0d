import fc from "fast-check";
import { beforeAll, test } from "vitest";
import { compareForward, tinyConfig, useTestBackend } from "../testing";

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
