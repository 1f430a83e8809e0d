import { flopsPerToken, type ModelConfig } from "../models";
import type { RunConfig } from "./run-config";

/**
 * Peak floating-point operations a second of matrix products without sparsity, from NVIDIA's data sheets: `bf16`, and for `f32` the TF32 that products take
 * there. By a part of the device's name as its driver gives it; the first that fits counts.
 */
const PEAKS = [
  { name: "H100 PCIe", bf16: 756e12, f32: 378e12 },
  { name: "H100 NVL", bf16: 835e12, f32: 417.5e12 },
  { name: "GH200", bf16: 989.4e12, f32: 494.7e12 },
  { name: "H100", bf16: 989.4e12, f32: 494.7e12 },
  { name: "H200", bf16: 989.4e12, f32: 494.7e12 },
  { name: "A100", bf16: 312e12, f32: 156e12 },
  { name: "L40S", bf16: 362e12, f32: 183e12 },
  { name: "L4", bf16: 121e12, f32: 60e12 },
  { name: "RTX 4090", bf16: 165.2e12, f32: 82.6e12 },
] as const satisfies readonly ({ readonly name: string } & Record<RunConfig["precision"], number>)[];

/** The peak of a device in a run's precision; null for devices that are not in the table, as CPUs are not. */
export function peakFlops(device: string, precision: RunConfig["precision"]): number | null {
  return PEAKS.find(({ name }) => device.includes(name))?.[precision] ?? null;
}

/**
 * Model FLOPs utilization: the operations that the model needs for its tokens, of the device's peak. What is computed again, thrown away or filled up
 * counts as nothing (`flopsPerToken`).
 */
export function mfuPercent(model: ModelConfig, tokensPerSecond: number | null, peak: number | null): number | null {
  return tokensPerSecond === null || peak === null
    ? null
    : (100 * tokensPerSecond * flopsPerToken(model).training) / peak;
}
