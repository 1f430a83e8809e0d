import type { OptimizerConfig } from "./run-config";

/** Steps in which the learning rate rises. */
export function warmupSteps(totalSteps: number, { warmupFraction }: Pick<OptimizerConfig, "warmupFraction">): number {
  return Math.round(warmupFraction * totalSteps);
}

/**
 * The learning rate of a step: linear warmup that reaches the peak at its last step, then a cosine that reaches
 * `finalFraction` of the peak at the last step of all (Lory, section 4.1: cosine, warmup over 5 % of the steps).
 *
 * @param step counted from 1
 */
export function learningRateAt(
  step: number,
  totalSteps: number,
  optimizer: Pick<OptimizerConfig, "learningRate" | "warmupFraction" | "finalFraction">,
): number {
  const { learningRate: peak, finalFraction } = optimizer;
  const warmup = warmupSteps(totalSteps, optimizer);
  if (step <= warmup) return (peak * step) / warmup;
  const progress = (step - warmup) / (totalSteps - warmup);
  return peak * (finalFraction + (1 - finalFraction) * 0.5 * (1 + Math.cos(Math.PI * progress)));
}
