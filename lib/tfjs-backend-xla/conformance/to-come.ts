import type { ToCome } from "./verdict";

const OTSU = "tfjs's otsu is 6 000 operations, no two of one shape: XLA compiles each on its own";

/** What the backend cannot do yet. */
export const TO_COME: ToCome = {
  kernels: [],
  cases: {
    "ops/gather_test.js": {
      "gather xla {} throws when index is out of bound":
        "indices are data of the device: those out of range are clamped, as on tfjs's GPU backends",
    },
  },
  tooLong: {
    "ops/image/threshold_test.js": {
      "threshold xla {} method otsu": OTSU,
      "threshold xla {} method otsu, inverted = true": OTSU,
    },
  },
};
