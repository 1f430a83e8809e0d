export * from "./sweep";
export { sweepPoints, type Settings, type SweepPoint, type SweepSpace } from "./sweep-points";
