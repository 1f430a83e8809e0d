// Shapes: B batch, L context, D model, F ffn, E experts.
import { add, highest, softmax, sum, swiglu, times, type Row } from "./arithmetic";
import type { ExpertLayerOutput, LayerContext } from "./experts";

/** A layer in which each token passes the experts that it chooses, among all or those that it `may` have. */
export function tokenChoiceLayer(
  h_BLD: readonly (readonly Row[])[],
  context: LayerContext,
  may?: (row: number, token: number) => readonly number[],
): ExpertLayerOutput {
  const { of, config, decide } = context;
  const { numExperts: E, numExpertsPerTok: K } = config;
  const router = { values: of("router_DE"), columns: E };
  const among = (values_E: Row, b: number, l: number): Row =>
    may === undefined ? values_E : values_E.map((value, e) => (may(b, l).includes(e) ? value : -Infinity));
  const logits_BLE = h_BLD.map((h_LD, b) => h_LD.map((h_D, l) => among(times(h_D, router), b, l)));
  const chosen_BLK = logits_BLE.map((logits_LE, b) =>
    logits_LE.map((logits_E, l) =>
      decide(`experts of token ${l} of row ${b}`, () => {
        const isBiased = config.routerBiasUpdateRate > 0;
        return highest(isBiased ? among(add(softmax(logits_E), [...of("bias_E")]), b, l) : logits_E, K);
      }),
    ),
  );
  const weights_BLE = logits_BLE.map((logits_LE, b) =>
    logits_LE.map((logits_E, l) => weightsOf(logits_E, chosen_BLK[b][l], config.normTopkProb)),
  );
  const y_BLD = h_BLD.map((h_LD, b) => h_LD.map((h_D, l) => expertSum(h_D, weights_BLE[b][l], context)));
  const losses = {
    loadBalancing: loadBalancing(chosen_BLK, logits_BLE, context),
    routerZ: meanSquare(logits_BLE.flat().map(logSumExp)),
  };
  return { y_BLD, weights_BNE: weights_BLE, losses };
}

/** The weights of all experts, of which a token passes the chosen ones. */
function weightsOf(logits_E: Row, chosen_K: Row, isNormalized: boolean): Row {
  const ofChosen = isNormalized ? softmax(chosen_K.map((e) => logits_E[e])) : chosen_K.map((e) => softmax(logits_E)[e]);
  const weights_E = new Array<number>(logits_E.length).fill(0);
  chosen_K.forEach((e, k) => (weights_E[e] = ofChosen[k]));
  return weights_E;
}

/** `sum_e weights_e FFN_e(h)`. */
export function expertSum(h_D: Row, weights_E: Row, { of, config }: LayerContext): Row {
  const { dModel: D, dFfn: F } = config;
  let y_D: Row = new Array<number>(D).fill(0);
  weights_E.forEach((weight, e) => {
    const gateUp = of("gateUp_EDG").subarray(e * D * 2 * F, (e + 1) * D * 2 * F);
    const down = of("down_EFD").subarray(e * F * D, (e + 1) * F * D);
    y_D = add(
      y_D,
      swiglu(h_D, gateUp, down, F).map((value) => weight * value),
    );
  });
  return y_D;
}

/** `E sum_e f_e P_e`: over all tokens, or the mean of the rows' own. */
function loadBalancing(chosen_BLK: Row[][], logits_BLE: Row[][], { config }: LayerContext): number {
  const { numExperts: E, numExpertsPerTok: K, loadBalancingScope } = config;
  const ofTokens = (chosen: readonly Row[], logits: readonly Row[]): number =>
    sum(
      Array.from({ length: E }, (_, e) => {
        const share = chosen.flat().filter((each) => each === e).length / (chosen.length * K);
        return (E * share * sum(logits.map((logits_E) => softmax(logits_E)[e]))) / logits.length;
      }),
    );
  if (loadBalancingScope === "global_batch") return ofTokens(chosen_BLK.flat(), logits_BLE.flat());
  return sum(chosen_BLK.map((chosen_LK, b) => ofTokens(chosen_LK, logits_BLE[b]))) / chosen_BLK.length;
}

function logSumExp(logits_E: Row): number {
  return Math.log(sum(logits_E.map(Math.exp)));
}

function meanSquare(values: Row): number {
  return sum(values.map((value) => value ** 2)) / values.length;
}
