import { describe, expect, it } from "vitest";
import { complex, fft, part, unary } from "./index";
import { convolution, reduceWindow, scatterToMaxima } from "./window";
import { binary } from "./elementwise";
import { splat } from "./literal";
import { parameter, type Value } from "./value";
import type { DType } from "./types";

const input = (shape: readonly number[], dtype: DType = "f32"): Value => parameter({ dtype, shape });
const NHWC = "b01f 01io b01f";

describe("convolution", () => {
  it("has a window wherever the kernel fits into the padded input", () => {
    const padding = [[1, 0], [0, 2]] as const; // prettier-ignore
    const y = convolution(input([2, 7, 5, 3]), input([3, 2, 3, 4]), { axes: NHWC, padding, strides: [2, 1] });
    expect(y.type).toEqual({ dtype: "f32", shape: [2, 3, 6, 4] });
  });

  it("puts axes where they are asked for", () => {
    const padding = [[0, 0], [0, 0]] as const; // prettier-ignore
    const y = convolution(input([2, 3, 7, 5]), input([4, 3, 2, 2]), { axes: "bf01 oi01 01bf", padding });
    expect(y.type.shape).toEqual([6, 4, 2, 4]);
  });

  it("has no window where the kernel is larger than the input", () => {
    const padding = [[0, 0], [0, 0]] as const; // prettier-ignore
    const y = convolution(input([1, 2, 2, 1]), input([3, 1, 1, 1]), { axes: NHWC, padding });
    expect(y.type.shape).toEqual([1, 0, 2, 1]);
  });

  it("refuses kernels of other features", () => {
    const padding = [[0, 0], [0, 0]] as const; // prettier-ignore
    expect(() => convolution(input([1, 4, 4, 3]), input([2, 2, 2, 1]), { axes: NHWC, padding })).toThrow(
      "convolution: tensor<1x4x4x3xf32> and tensor<2x2x2x1xf32> do not fit as b01f 01io b01f in 1 groups",
    );
  });
});

describe("windows", () => {
  it("are counted along each axis", () => {
    const window = { size: [1, 3], padding: [[0, 0], [1, 1]] as const, strides: [1, 2], dilation: [1, 2] }; // prettier-ignore
    const y = reduceWindow(input([4, 9]), splat(0, "f32"), window, (a, b) => binary("add", a, b));
    expect(y.type.shape).toEqual([4, 4]);
  });

  it("are as many as the source of a scatter has elements", () => {
    const window = { size: [2], padding: [[0, 0]] as const, strides: [2] };
    expect(() => scatterToMaxima(input([6]), input([2]), window)).toThrow(
      "select_and_scatter: there are [3] windows, and the source is tensor<2xf32>",
    );
  });
});

describe("complex numbers", () => {
  it("are made of two parts, and have a magnitude", () => {
    const z = complex(input([3]), input([3]));
    expect(z.type.dtype).toBe("c64");
    expect([part("imag", z), unary("abs", z)].map((x) => x.type.dtype)).toEqual(["f32", "f32"]);
  });

  it("alone have parts and transforms", () => {
    expect(() => part("real", input([3]))).toThrow("real: takes complex tensors, not tensor<3xf32>");
    expect(() => fft("FFT", input([3]))).toThrow("fft: takes complex tensors with at least one axis");
    expect(() => complex(input([3], "i32"), input([3], "i32"))).toThrow("complex: takes f32 tensors");
  });
});
