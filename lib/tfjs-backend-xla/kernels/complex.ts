import { complex, fft, isComplex, part, unary, type Value } from "../stablehlo";
import { like, onX, toFloat, type Kernel } from "./kernel";

/** A part of numbers that may be real. */
const partOf =
  (name: "real" | "imag"): Kernel =>
  ({ input }) => {
    if (isComplex(input.type.dtype)) return part(name, input);
    const x = toFloat(input);
    return name === "real" ? x : like(x, 0);
  };

/** The discrete Fourier transform along the last axis. */
const transform =
  (kind: "FFT" | "IFFT"): Kernel =>
  ({ input }) =>
    fft(kind, input);

/** Kernels that make complex numbers or take them apart. */
export const COMPLEX = {
  Complex: ({ real, imag }): Value => complex(toFloat(real), toFloat(imag)),
  Real: partOf("real"),
  Imag: partOf("imag"),
  ComplexAbs: onX((x) => unary("abs", x)),
  FFT: transform("FFT"),
  IFFT: transform("IFFT"),
} as const satisfies Record<string, Kernel>;
