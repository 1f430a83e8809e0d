/** tfjs's kernels as StableHLO: one table for each family. */
import { CONTRACTION } from "./contraction";
import { ELEMENTWISE } from "./elementwise";
import { REDUCTION } from "./reduction";
import { SHAPE } from "./shape";

export type { Kernel } from "./kernel";

/** Every kernel that is recorded for the device. */
export const KERNELS = { ...ELEMENTWISE, ...REDUCTION, ...SHAPE, ...CONTRACTION };

export type KernelName = keyof typeof KERNELS;
