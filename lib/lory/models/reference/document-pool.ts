// Shapes: B batch, L context, E experts.
import { add, highest, softmax, times, type Row } from "./arithmetic";
import type { ExpertLayerOutput, LayerContext } from "./experts";
import { tokenChoiceLayer } from "./token-choice";

/** A layer in which tokens choose among the experts that the segments before favoured. */
export function documentPoolLayer(h_BLD: readonly (readonly Row[])[], context: LayerContext): ExpertLayerOutput {
  const { of, config, decide } = context;
  const { numExperts: E, segmentLength: T, expertPoolSize } = config;
  const router = { values: of("router_DE"), columns: E };
  const everyone = Array.from({ length: E }, (_, e) => e);
  const pools_BN = h_BLD.map((h_LD, b) =>
    Array.from({ length: Math.ceil(h_LD.length / T) }, (_, n) => {
      if (n === 0) return everyone;
      return decide(`pool of segment ${n} of row ${b}`, () => {
        const favour_E = h_LD.slice(0, n * T).reduce<Row>(
          (total, h_D) => add(total, softmax(times(h_D, router))),
          everyone.map(() => 0),
        );
        return highest(favour_E, expertPoolSize);
      });
    }),
  );
  return tokenChoiceLayer(h_BLD, context, (row, l) => pools_BN[row][Math.floor(l / T)]);
}
