// Shapes: B batch, L context, D model, F ffn, G = 2 F packed gate and up, E experts.
import { add, type Row } from "./arithmetic";
import type { ExpertLayerOutput, LayerContext } from "./experts";
import { mergedLayer } from "./merged";
import { tokenChoiceLayer } from "./token-choice";

/** A layer whose first hidden units are merged by segments, the others chosen by tokens. */
export function segmentAndTokenLayer(h_BLD: readonly (readonly Row[])[], context: LayerContext): ExpertLayerOutput {
  const { config, options } = context;
  const F = config.dFfn;
  const width = Math.min(F - 1, Math.max(1, Math.round(config.segmentShare * F)));
  const segments = mergedLayer(h_BLD, hiddenUnits(context, 0, width));
  const tokens = tokenChoiceLayer(h_BLD, hiddenUnits(context, width, F));
  const T = options.promptLength_B === undefined ? config.segmentLength : h_BLD[0].length;
  return {
    y_BLD: segments.y_BLD.map((y_LD, b) => y_LD.map((y_D, l) => add(y_D, tokens.y_BLD[b][l]))),
    weights_BNE: tokens.weights_BNE.map((weights_LE, b) =>
      weights_LE.map((weights_E, l) =>
        weights_E.map((weight, e) => {
          const ofSegment = segments.weights_BNE[b][Math.floor(l / T)][e];
          return (width * ofSegment + (F - width) * weight) / F;
        }),
      ),
    ),
    losses: tokens.losses,
  };
}

/** The layer with the hidden units `from` to `to - 1` of each expert alone; the later ones have the router of tokens. */
function hiddenUnits(context: LayerContext, from: number, to: number): LayerContext {
  const { dModel: D, dFfn: F } = context.config;
  const of = (part: string): Float64Array => {
    if (part === "router_DE" && from > 0) return context.of("tokenRouter_DE");
    const values = context.of(part);
    const isKept = (unit: number): boolean => unit >= from && unit < to;
    if (part === "gateUp_EDG") return values.filter((_, i) => isKept((i % (2 * F)) % F));
    if (part === "down_EFD") return values.filter((_, i) => isKept(Math.floor(i / D) % F));
    return values;
  };
  return { ...context, of, config: { ...context.config, dFfn: to - from } };
}
