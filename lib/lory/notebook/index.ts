export { batchingFindings, batchingTable, type MeasuredBatching } from "./batching-findings";
export { ClaimError, claims } from "./claims";
export { display, type Displayable, isDisplayable, markdown, Output } from "./display";
export {
  type DomainLoss,
  type EvaluatedModel,
  perplexityFindings,
  perplexityTable,
  routingDistances,
  routingFindings,
} from "./findings";
export { type FrameLibrary, type FrameLike, frameTable, showFrames } from "./frames";
export {
  driftFindings,
  routingComparisonFindings,
  sparseFindings,
  speedFindings,
  type DriftFinding,
  type LossDifference,
  type SparseFinding,
  type SpeedFinding,
  panelFindings,
} from "./generation-findings";
export { kernel, type KernelBridge, type MimeBundle, type ShowOptions } from "./kernel";
export { leakByDomainTable, leakFindings, leakTable, type MeasuredLeak } from "./leak-findings";
export { figureBundle, LiveFigure } from "./live-figure";
export { formatCount, formatDuration, formatRate } from "./numbers";
export { ParameterError, parameters, type ParameterValue, type ParameterValues } from "./parameters";
export { progress, type ProgressOptions } from "./progress";
export { stageBar, type StageProgress } from "./stage-bar";
export { streamTexts, type StreamedPiece, type StreamTextsOptions } from "./stream-texts";
export { type Cell, type Row, table, type Table, type TableOptions } from "./table";
export { type FollowedTraining, watch, type WatchedRun, type WatchedStep } from "./watch";
