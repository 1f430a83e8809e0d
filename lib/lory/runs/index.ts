export { arm, type Arm, type ArmStep, type ComparedRun, finalUtilization, updatesUntilDistance } from "./arms";
export { recordedRun, type RecordedRun } from "./recorded";
export * from "./sweep";
export { sweepPoints, type Settings, type SweepPoint, type SweepSpace } from "./sweep-points";
export { symmetryFindings, warmupFindings, warmupTable } from "./warmup-findings";
export { followRun, type FollowedRun, type FollowOptions } from "./followed";
export { compareRuns, runs } from "./runs-table";
export { writeTensorBoard, type TensorBoardOptions } from "./tensorboard";
