// Shapes: B batch, L context, N segments, T tokens a segment, D model, F ffn, E experts.
import type { ModelConfig } from "../config";
import { mean, softmax, swiglu, times, type Row } from "./arithmetic";
import type { ExpertLayerOutput, LayerContext } from "./experts";

/** A layer whose experts are merged for each segment, or for each row's prompt. */
export function mergedLayer(h_BLD: readonly (readonly Row[])[], context: LayerContext): ExpertLayerOutput {
  const rows = h_BLD.map((h_LD, b) => mergedRow(h_LD, b, context));
  return { y_BLD: rows.map(({ y_LD }) => y_LD), weights_BNE: rows.map(({ weights_NE }) => weights_NE), losses: {} };
}

function mergedRow(h_LD: readonly Row[], row: number, context: LayerContext): { y_LD: Row[]; weights_NE: Row[] } {
  const { of, config, options } = context;
  const promptLength = options.promptLength_B?.[row];
  const isWhole = promptLength !== undefined || config.routingMode === "whole_sequence";
  const T = isWhole ? h_LD.length : config.segmentLength;
  const firstHasOwnFfn = config.firstSegmentRule === "dense_expert" && promptLength === undefined;
  const weights_NE = segmentWeights(h_LD, row, T, context);
  const y_LD: Row[] = [];
  weights_NE.forEach((weights_E, n) => {
    // Eq. 2: theta = sum_e weights_e theta_e, for this segment.
    const isOwn = firstHasOwnFfn && n === 0;
    const gateUp = isOwn ? of("firstGateUp_DG") : mergeBank(of("gateUp_EDG"), weights_E);
    const down = isOwn ? of("firstDown_FD") : mergeBank(of("down_EFD"), weights_E);
    for (const h_D of h_LD.slice(n * T, (n + 1) * T)) y_LD.push(swiglu(h_D, gateUp, down, config.dFfn));
  });
  return { y_LD, weights_NE };
}

/** The weights that each segment of T tokens of a row is merged by. */
export function segmentWeights(h_LD: readonly Row[], row: number, T: number, context: LayerContext): Row[] {
  const { of, config, options, decide } = context;
  const { numExperts: E, firstSegmentRule } = config;
  const promptLength = options.promptLength_B?.[row];
  const router = { values: of("router_DE"), columns: E };
  const route = (span_TD: readonly Row[]): Row => softmax(times(mean(span_TD), router));
  const first = (): Row => {
    if (firstSegmentRule === "learned_prior") return softmax([...of("prior_E")]);
    if (firstSegmentRule === "own_stop_gradient") {
      return decide(`first segment of row ${row}`, () => route(h_LD.slice(0, T)));
    }
    return new Array<number>(E).fill(firstSegmentRule === "dense_expert" ? 0 : 1 / E);
  };
  return Array.from({ length: Math.ceil(h_LD.length / T) }, (_, n) => {
    if (promptLength !== undefined) return route(h_LD.slice(0, promptLength));
    const read = routedBy(h_LD, n * T, T, config);
    return read === "rule" ? first() : route(read);
  });
}

/** The tokens whose mean routes the segment that begins at `start`; for a first segment by the rule, `"rule"`. */
function routedBy(
  h_LD: readonly Row[],
  start: number,
  T: number,
  { routingMode }: ModelConfig,
): readonly Row[] | "rule" {
  if (routingMode === "whole_sequence") return h_LD;
  if (routingMode === "own_segment") return h_LD.slice(start, start + T);
  if (start === 0) return "rule";
  if (routingMode === "prefix") return h_LD.slice(0, T);
  return h_LD.slice(routingMode === "running_mean" ? 0 : start - T, start);
}

function mergeBank(bank: Float64Array, weights_E: Row): Float64Array {
  const size = bank.length / weights_E.length;
  const merged = new Float64Array(size);
  weights_E.forEach((weight, e) => {
    for (let i = 0; i < size; i++) merged[i] += weight * bank[e * size + i];
  });
  return merged;
}
