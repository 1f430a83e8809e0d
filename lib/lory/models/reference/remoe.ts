// Shapes: B batch, L context, E experts.
import { sum, times, type Row } from "./arithmetic";
import type { ExpertLayerOutput, LayerContext } from "./experts";
import { expertSum } from "./token-choice";

/** A layer in which each expert's weight is its logit where that is positive. */
export function remoeLayer(h_BLD: readonly (readonly Row[])[], context: LayerContext): ExpertLayerOutput {
  const { of, config, decide } = context;
  const { numExperts: E, numExpertsPerTok: K } = config;
  const router = { values: of("router_DE"), columns: E };
  const gates_BLE = h_BLD.map((h_LD) => h_LD.map((h_D) => times(h_D, router).map((logit) => Math.max(0, logit))));
  const gates_XE = gates_BLE.flat();
  const X = gates_XE.length;
  const factor_E = decide("load factors", () =>
    Array.from({ length: E }, (_, e) => (E / (K * X)) * gates_XE.filter((gates_E) => gates_E[e] > 0).length),
  );
  return {
    y_BLD: h_BLD.map((h_LD, b) => h_LD.map((h_D, l) => expertSum(h_D, gates_BLE[b][l], context))),
    weights_BNE: gates_BLE,
    losses: { activationL1: sum(gates_XE.map((gates_E) => sum(gates_E.map((gate, e) => gate * factor_E[e])))) / X },
  };
}
