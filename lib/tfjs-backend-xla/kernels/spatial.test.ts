import * as tf from "@tensorflow/tfjs-core";
import { beforeAll, describe, expect, it } from "vitest";
import "../index";
import { expectClose } from "../testing";
import type { BLOCKS } from "./blocks";
import { expectAgreement, type Cases } from "./cases";
import type { COMPLEX } from "./complex";
import type { CONVOLUTION } from "./convolution";
import type { IMAGE } from "./image";
import type { MORPHOLOGY } from "./morphology";
import type { NORMALIZATION } from "./normalization";
import type { POOLING } from "./pooling";
import type { RESIZE } from "./resize";
import type { TRIGONOMETRY } from "./trigonometry";

type Tested = typeof BLOCKS &
  typeof COMPLEX &
  typeof CONVOLUTION &
  typeof IMAGE &
  typeof MORPHOLOGY &
  typeof NORMALIZATION &
  typeof POOLING &
  typeof RESIZE &
  typeof TRIGONOMETRY;

type Image = tf.Tensor4D;
type Volume = tf.Tensor5D;

const slope = (f: (x: tf.Tensor) => tf.Tensor, x: tf.Tensor): tf.Tensor => tf.grad((v) => tf.sum(tf.square(f(v))))(x);
const both = (z: tf.Tensor): tf.Tensor[] => [tf.real(z), tf.imag(z)];
const within =
  (f: (x: tf.Tensor) => tf.Tensor): Cases =>
  (d) => [f(tf.div(d.any(3, 5), 2.2)), f(d.any(0, 2))];
const above =
  (f: (x: tf.Tensor) => tf.Tensor): Cases =>
  (d) => [f(tf.add(d.positive(3, 5), 1)), f(tf.add(d.positive(), 1))];
const wide =
  (f: (x: tf.Tensor) => tf.Tensor): Cases =>
  (d) => [f(d.any(3, 5)), f(tf.mul(d.any(4), 1e-4)), f(tf.mul(d.any(4), 20))];

/** Every kernel of these tables has its cases, by type. */
const CASES: Record<keyof Tested, Cases> = {
  Asin: within(tf.asin),
  Acos: within(tf.acos),
  Atan: wide(tf.atan),
  Sinh: wide(tf.sinh),
  Cosh: wide(tf.cosh),
  Asinh: wide(tf.asinh),
  Acosh: above(tf.acosh),
  Atanh: within(tf.atanh),
  SpaceToBatchND: (d) => [tf.spaceToBatchND(d.any(2, 3, 4, 2), [2, 2], [[1, 0], [0, 2]])], // prettier-ignore
  BatchToSpaceND: (d) => [tf.batchToSpaceND(d.any(8, 2, 3, 2), [2, 2], [[1, 0], [0, 2]])], // prettier-ignore
  DepthToSpace: (d) => [tf.depthToSpace(d.any(2, 3, 1, 8) as Image, 2)],
  MirrorPad: (d) => [
    tf.mirrorPad(d.any(3, 4), [[2, 1], [0, 3]], "reflect"), // prettier-ignore
    tf.mirrorPad(d.any(3, 4), [[3, 1], [0, 4]], "symmetric"), // prettier-ignore
  ],
  Complex: (d) => both(tf.add(tf.complex(d.any(3), d.any(3)), tf.complex(d.any(3), d.any(3)))),
  Real: (d) => [tf.real(tf.mul(tf.complex(d.any(3), d.any(3)), tf.complex(d.any(3), d.any(3))))],
  Imag: (d) => [tf.imag(tf.concat([tf.complex(d.any(3), d.any(3)), tf.complex(d.any(2), d.any(2))]))],
  ComplexAbs: (d) => [tf.abs(tf.complex(d.any(2, 3), d.any(2, 3)))],
  FFT: (d) => [...both(tf.fft(tf.complex(d.any(2, 5), d.any(2, 5)))), ...both(tf.spectral.rfft(d.any(6)))],
  IFFT: (d) => [
    ...both(tf.ifft(tf.complex(d.any(2, 5), d.any(2, 5)))),
    tf.spectral.irfft(tf.complex(d.any(4), d.any(4))),
  ],
  Conv2D: (d) => [
    tf.conv2d(d.any(2, 5, 6, 3) as Image, d.any(3, 2, 3, 4) as Image, 1, "same"),
    tf.conv2d(d.any(1, 7, 6, 2) as Image, d.any(3, 3, 2, 1) as Image, [2, 1], "valid"),
    tf.conv2d(d.any(1, 7, 7, 2) as Image, d.any(2, 2, 2, 3) as Image, 1, 1, "NHWC", 2),
    tf.conv2d(d.any(1, 2, 5, 4) as Image, d.any(2, 3, 2, 3) as Image, 2, [[0, 0], [0, 0], [1, 2], [0, 1]], "NCHW"), // prettier-ignore
  ],
  FusedConv2D: (d) => [
    tf.fused.conv2d({ x: d.any(1, 4, 4, 2) as Image, filter: d.any(2, 2, 2, 3) as Image, strides: 1, pad: "same", bias: d.any(3), activation: "relu6" }), // prettier-ignore
    tf.fused.conv2d({ x: d.any(1, 2, 4, 4) as Image, filter: d.any(2, 2, 2, 3) as Image, strides: 1, pad: "valid", dataFormat: "NCHW", bias: d.any(3), activation: "elu" }), // prettier-ignore
  ],
  Conv2DBackpropInput: (d) => {
    const filter = d.any(3, 2, 2, 3) as Image;
    return [
      slope((x) => tf.conv2d(x as Image, filter, [2, 3], "same"), d.any(2, 6, 5, 2)),
      slope((x) => tf.conv2d(x as Image, filter, 3, "valid"), d.any(1, 8, 9, 2)),
      tf.conv2dTranspose(d.any(1, 3, 4, 3) as Image, filter, [1, 6, 8, 2], 2, "same"),
    ];
  },
  Conv2DBackpropFilter: (d) => {
    const x = d.any(2, 7, 5, 2) as Image;
    return [
      slope((filter) => tf.conv2d(x, filter as Image, [2, 3], "same"), d.any(3, 2, 2, 3)),
      slope((filter) => tf.conv2d(x, filter as Image, 2, "valid"), d.any(2, 2, 2, 1)),
    ];
  },
  DepthwiseConv2dNative: (d) => [
    tf.depthwiseConv2d(d.any(2, 5, 4, 3) as Image, d.any(2, 3, 3, 2) as Image, 1, "same"),
    tf.depthwiseConv2d(d.any(1, 6, 6, 2) as Image, d.any(2, 2, 2, 1) as Image, 1, "valid", "NHWC", 2),
  ],
  FusedDepthwiseConv2D: (d) => [
    tf.fused.depthwiseConv2d({ x: d.any(1, 4, 4, 2) as Image, filter: d.any(2, 2, 2, 2) as Image, strides: 2, pad: "same", bias: d.any(4), activation: "relu" }), // prettier-ignore
  ],
  DepthwiseConv2dNativeBackpropInput: (d) => {
    const filter = d.any(2, 3, 3, 2) as Image;
    return [slope((x) => tf.depthwiseConv2d(x as Image, filter, 2, "same"), d.any(2, 5, 4, 3))];
  },
  DepthwiseConv2dNativeBackpropFilter: (d) => {
    const x = d.any(2, 5, 4, 3) as Image;
    return [slope((filter) => tf.depthwiseConv2d(x, filter as Image, 2, "same"), d.any(2, 3, 3, 2))];
  },
  Conv3D: (d) => [
    tf.conv3d(d.any(1, 3, 4, 5, 2) as Volume, d.any(2, 2, 3, 2, 3) as Volume, 1, "same"),
    tf.conv3d(d.any(1, 3, 4, 5, 2) as Volume, d.any(2, 2, 3, 2, 1) as Volume, [1, 2, 2], "valid"),
  ],
  Conv3DBackpropInputV2: (d) => {
    const filter = d.any(2, 2, 1, 2, 3) as Volume;
    return [slope((x) => tf.conv3d(x as Volume, filter, 2, "same"), d.any(1, 3, 4, 5, 2))];
  },
  Conv3DBackpropFilterV2: (d) => {
    const x = d.any(1, 3, 4, 5, 2) as Volume;
    return [slope((filter) => tf.conv3d(x, filter as Volume, 2, "same"), d.any(2, 2, 1, 2, 3))];
  },
  CropAndResize: (d) => {
    const boxes = tf.tensor2d([[0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], [-0.5, 0.3, 0.5, 1.4], [0, 0, 1, 1]]); // prettier-ignore
    const which = tf.tensor1d([1, 0, 1, 2], "int32");
    const images = d.any(2, 5, 6, 2) as Image;
    return [
      tf.image.cropAndResize(images, boxes, which, [3, 4], "bilinear", 7),
      tf.image.cropAndResize(images, boxes, which, [1, 5], "nearest", -1),
    ];
  },
  Transform: (d) => {
    const image = d.any(1, 5, 6, 2) as Image;
    const turn = tf.tensor2d([[0.9, -0.35, 1.3, 0.4, 1.1, -1.7, 0.01, -0.02]]);
    const modes = ["constant", "nearest", "reflect", "wrap"] as const;
    return modes.flatMap((mode) => [
      tf.image.transform(image, turn, "bilinear", mode, 3),
      tf.image.transform(image, turn, "nearest", mode, 0, [7, 3]),
    ]);
  },
  RotateWithOffset: (d) => [
    tf.image.rotateWithOffset(d.any(2, 5, 6, 3) as Image, 0.7, 2.5, 0.5),
    tf.image.rotateWithOffset(d.any(1, 4, 4, 4) as Image, -1.9, [1, 2, 3], [0.25, 0.75]),
  ],
  FlipLeftRight: (d) => [tf.image.flipLeftRight(d.any(2, 3, 4, 2) as Image)],
  Dilation2D: (d) => [
    tf.dilation2d(d.any(2, 6, 5, 2) as Image, d.any(2, 3, 2) as tf.Tensor3D, 1, "same"),
    tf.dilation2d(d.any(1, 7, 7, 2) as Image, d.any(2, 2, 2) as tf.Tensor3D, 2, "valid", 2),
  ],
  Dilation2DBackpropInput: (d) => {
    const filter = d.any(2, 3, 2) as tf.Tensor3D;
    return [slope((x) => tf.dilation2d(x as Image, filter, 2, "same"), d.any(2, 6, 5, 2))];
  },
  Dilation2DBackpropFilter: (d) => {
    const x = d.any(2, 6, 5, 2) as Image;
    return [slope((filter) => tf.dilation2d(x, filter as tf.Tensor3D, 1, "valid"), d.any(2, 3, 2))];
  },
  FusedBatchNorm: (d) => [
    tf.batchNorm(d.any(2, 3, 4, 5), d.any(5), d.positive(5), d.any(5), d.any(5)),
    tf.batchNorm(d.any(2, 3), d.any(3), d.positive(3)),
  ],
  LRN: (d) => [tf.localResponseNormalization(d.any(2, 3, 2, 7) as Image, 2, 1.5, 0.7, 0.6)],
  LRNGrad: (d) => [slope((x) => tf.localResponseNormalization(x as Image, 2, 1.5, 0.7, 0.6), d.any(1, 2, 2, 7))],
  MaxPool: (d) => [
    tf.maxPool(d.any(2, 5, 6, 3) as Image, [3, 2], 2, "same"),
    tf.maxPool(d.any(1, 6, 6, 1) as Image, 3, 2, 1, "ceil"),
  ],
  MaxPoolGrad: (d) => [slope((x) => tf.maxPool(x as Image, [3, 2], 2, "same"), d.any(2, 5, 6, 3))],
  AvgPool: (d) => [
    tf.avgPool(d.any(2, 5, 6, 3) as Image, [3, 2], 2, "same"),
    tf.avgPool(d.any(1, 5, 6, 1) as Image, 2, 3, "valid"),
  ],
  AvgPoolGrad: (d) => [slope((x) => tf.avgPool(x as Image, [3, 2], [2, 1], "same"), d.any(2, 5, 6, 3))],
  MaxPool3D: (d) => [tf.maxPool3d(d.any(1, 3, 4, 5, 2) as Volume, 2, 1, "same")],
  MaxPool3DGrad: (d) => [slope((x) => tf.maxPool3d(x as Volume, 2, 2, "same"), d.any(1, 3, 4, 5, 2))],
  AvgPool3D: (d) => [tf.avgPool3d(d.any(1, 3, 4, 5, 2) as Volume, 2, 1, "same")],
  AvgPool3DGrad: (d) => [slope((x) => tf.avgPool3d(x as Volume, 2, 2, "same"), d.any(1, 3, 4, 5, 2))],
  MaxPoolWithArgmax: (d) => [
    ...Object.values(tf.maxPoolWithArgmax(d.any(2, 5, 6, 3) as Image, [3, 2], 2, "same")),
    ...Object.values(tf.maxPoolWithArgmax(d.any(2, 4, 4, 2) as Image, 2, 2, "valid", true)),
  ],
  ResizeBilinear: (d) => [
    tf.image.resizeBilinear(d.any(2, 3, 4, 2) as Image, [5, 3]),
    tf.image.resizeBilinear(d.any(2, 3, 4, 2) as Image, [7, 6], true),
    tf.image.resizeBilinear(d.any(2, 3, 4, 2) as Image, [5, 9], false, true),
  ],
  ResizeBilinearGrad: (d) => [
    slope((x) => tf.image.resizeBilinear(x as Image, [5, 3]), d.any(1, 4, 4, 2)),
    slope((x) => tf.image.resizeBilinear(x as Image, [2, 7], true), d.any(1, 4, 4, 2)),
  ],
  ResizeNearestNeighbor: (d) => [
    tf.image.resizeNearestNeighbor(d.any(2, 3, 4, 2) as Image, [5, 3]),
    tf.image.resizeNearestNeighbor(d.any(2, 3, 4, 2) as Image, [7, 6], true),
    tf.image.resizeNearestNeighbor(d.any(2, 3, 4, 2) as Image, [5, 9], false, true),
  ],
  ResizeNearestNeighborGrad: (d) => [
    slope((x) => tf.image.resizeNearestNeighbor(x as Image, [5, 3]), d.any(1, 4, 4, 2)),
    slope((x) => tf.image.resizeNearestNeighbor(x as Image, [2, 7], true), d.any(1, 4, 4, 2)),
  ],
};

beforeAll(() => tf.enableProdMode());

describe("kernels over images, volumes and complex numbers agree with tfjs's CPU backend", () => {
  it.each(Object.entries(CASES))("%s", (_, cases) => expectAgreement(cases));
});

describe("hyperbolic functions", () => {
  it("neither cancel nor overflow before their results do", async () => {
    await tf.setBackend("xla");
    const [small, large] = [1e-6, 89];
    const actual = tf.stack([
      ...[tf.sinh, tf.asinh, tf.atanh].map((f) => f(tf.scalar(small))),
      ...[tf.sinh, tf.cosh].map((f) => f(tf.scalar(large))),
      ...[tf.asinh, tf.acosh].map((f) => f(tf.scalar(1e30))),
    ]);
    const expected = [small, small, small, Math.sinh(large), Math.cosh(large), Math.asinh(1e30), Math.acosh(1e30)];
    expectClose(actual, expected, { rtol: 1e-5, atol: 0 });
  });
});

describe("complex numbers", () => {
  it("are read as pairs", async () => {
    await tf.setBackend("xla");
    const z = tf.mul(tf.complex([1, 2], [3, -4]), tf.complex([0, 1], [1, 1]));
    expect(z.dtype).toBe("complex64");
    expect([...z.dataSync()]).toEqual([-3, 1, 6, -2]);
    expect(tf.cast(z, "float32").arraySync()).toEqual([-3, 6]);
  });
});
