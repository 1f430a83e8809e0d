/** tfjs's kernels as StableHLO: one table for each family. */
import { BLOCKS } from "./blocks";
import { COMPLEX } from "./complex";
import { CONTRACTION } from "./contraction";
import { CONVOLUTION } from "./convolution";
import { ELEMENTWISE } from "./elementwise";
import { IMAGE } from "./image";
import { INDEXING } from "./indexing";
import { MORPHOLOGY } from "./morphology";
import { NORMALIZATION } from "./normalization";
import { POOLING } from "./pooling";
import { REDUCTION } from "./reduction";
import { RESIZE } from "./resize";
import { SHAPE } from "./shape";
import { TRIGONOMETRY } from "./trigonometry";

export type { Kernel } from "./kernel";

/** Every kernel that is recorded for the device. */
export const KERNELS = {
  ...ELEMENTWISE,
  ...REDUCTION,
  ...SHAPE,
  ...INDEXING,
  ...BLOCKS,
  ...RESIZE,
  ...IMAGE,
  ...TRIGONOMETRY,
  ...CONTRACTION,
  ...COMPLEX,
  ...CONVOLUTION,
  ...POOLING,
  ...MORPHOLOGY,
  ...NORMALIZATION,
};

export type KernelName = keyof typeof KERNELS;
