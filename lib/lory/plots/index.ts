export { batchingBars, type BatchingBar } from "./batching-bars";
export { dataMixture, type DomainSize } from "./data-mixture";
export { figureTitle, withShortNumbers, type Figure, type Json, type JsonObject } from "./figure";
export {
  driftLines,
  qualityAgainstMemory,
  routingGap,
  type DriftSeries,
  type SegmentSeries,
  type SparsePoint,
} from "./generation";
export { intervalCurves, type IntervalCurve, type IntervalCurvesOptions, type IntervalPoint } from "./interval-curves";
export { lossCurves, type LossCurve, type LossCurvesOptions, type LossPoint } from "./loss-curves";
export { perplexityBars, type ModelPerplexity } from "./perplexity-bars";
export { bottomMiddleTop, routingHeatmap, type DomainRouting, type RoutingHeatmapOptions } from "./routing-heatmap";
export { axis, paperLayout, SEQUENTIAL_SCALE, seriesColor, SERIES_COLORS, STYLE } from "./style";
export { symmetryCurves, type SymmetryCurve } from "./symmetry-curves";
export { utilizationCurves, type UtilizationCurve } from "./utilization-curves";
