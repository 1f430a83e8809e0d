// Shapes: B batch, L context, N units (segments or tokens), T tokens a unit, E experts.
import { highest, softmax, times, type Row } from "./arithmetic";
import type { ExpertLayerOutput, LayerContext } from "./experts";
import { segmentWeights } from "./merged";
import { expertSum } from "./token-choice";

/** A layer in which experts take units in training, and units take experts otherwise. */
export function expertChoiceLayer(h_BLD: readonly (readonly Row[])[], context: LayerContext): ExpertLayerOutput {
  const { of, config, options } = context;
  const { numExperts: E, expertChoiceUnit, capacityFactor } = config;
  const isPrompt = options.promptLength_B !== undefined;
  const lengthOfUnit = expertChoiceUnit === "token" ? 1 : isPrompt ? h_BLD[0].length : config.segmentLength;
  const router = { values: of("router_DE"), columns: E };
  const scores_BNE = h_BLD.map((h_LD, b) =>
    expertChoiceUnit === "token"
      ? h_LD.map((h_D) => softmax(times(h_D, router)))
      : segmentWeights(h_LD, b, lengthOfUnit, context),
  );
  const taken_BNE = options.isTraining
    ? takenByExperts(scores_BNE, context)
    : scores_BNE.map((scores_NE, b) =>
        scores_NE.map((scores_E, n) =>
          context.decide(`experts of unit ${n} of row ${b}`, () =>
            ones(highest(scores_E, Math.min(E, Math.max(1, Math.floor(capacityFactor)))), E),
          ),
        ),
      );
  const weights_BNE = scores_BNE.map((scores_NE, b) =>
    scores_NE.map((scores_E, n) => scores_E.map((score, e) => score * taken_BNE[b][n][e])),
  );
  const y_BLD = h_BLD.map((h_LD, b) =>
    h_LD.map((h_D, l) => expertSum(h_D, weights_BNE[b][Math.floor(l / lengthOfUnit)], context)),
  );
  return { y_BLD, weights_BNE, losses: {} };
}

/** For each unit a 1 for each expert that takes it. */
function takenByExperts(scores_BNE: Row[][], { config, decide }: LayerContext): Row[][] {
  const { numExperts: E, capacityFactor, expertChoicePool } = config;
  const fromPool = (scores_UE: readonly Row[], pool: number): Row[] => {
    const U = scores_UE.length;
    const capacity = Math.min(U, Math.max(1, Math.floor((capacityFactor * U) / E)));
    return decide(`units taken from pool ${pool}`, () => {
      const taken = Array.from({ length: E }, (_, e) =>
        ones(
          highest(
            scores_UE.map((s) => s[e]),
            capacity,
          ),
          U,
        ),
      );
      return scores_UE.map((_, u) => taken.map((units) => units[u]));
    });
  };
  if (expertChoicePool === "sequence") return scores_BNE.map(fromPool);
  const all = fromPool(scores_BNE.flat(), 0);
  const N = scores_BNE[0].length;
  return scores_BNE.map((_, b) => all.slice(b * N, (b + 1) * N));
}

/** 1 at the given places of a row. */
function ones(places: readonly number[], length: number): Row {
  return Array.from({ length }, (_, i) => (places.includes(i) ? 1 : 0));
}
