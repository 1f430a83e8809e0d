/** Fourier transforms. Source: the StableHLO specification. */
import { i64Array } from "./shape";
import { demand, isComplex, typeText } from "./types";
import { makeValue, type Value } from "./value";

/** The discrete Fourier transform along the last axis, or its inverse, which divides by the length. */
export function fft(kind: "FFT" | "IFFT", x: Value): Value {
  const { dtype, shape } = x.type;
  demand(
    isComplex(dtype) && shape.length > 0,
    "fft",
    () => `takes complex tensors with at least one axis, not ${typeText(x.type)}`,
  );
  const attributes = `fft_type = #stablehlo<fft_type ${kind}>, fft_length = ${i64Array(shape.slice(-1))}`;
  return makeValue("fft", [x], x.type, attributes);
}
