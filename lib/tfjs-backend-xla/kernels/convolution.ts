import * as tf from "@tensorflow/tfjs-core";
import { currentPrecision } from "../precision";
import { convert, convolution, reshape, slice, type ConvolutionOptions, type Padding, type Value } from "../stablehlo";
import { fused } from "./activation";
import { axes2D, axes3D, extent, type Axis } from "./geometry";
import { toFloat, type Attributes, type Kernel } from "./kernel";

/** A convolution and where its features are. */
interface Layout {
  readonly axes: readonly Axis[];
  readonly channelsFirst: boolean;
  /** For depthwise ones: how many channels have kernels of their own. */
  readonly groups: number;
}

const spatialOf = ({ axes }: Layout): string => axes.map((_, i) => i).join("");
const dataAxes = (layout: Layout, batch: string, features: string): string =>
  layout.channelsFirst ? `${batch}${features}${spatialOf(layout)}` : `${batch}${spatialOf(layout)}${features}`;

/** A convolution in f32 as the current precision asks for it: see `dot`. */
function convolve(x: Value, kernel: Value, options: ConvolutionOptions): Value {
  const policy = currentPrecision();
  if (policy === "bf16") {
    return convert(convolution(convert(x, "bf16"), convert(kernel, "bf16"), { ...options, dtype: "bf16" }), "f32");
  }
  const precision = policy === "highest" ? "HIGHEST" : "DEFAULT";
  return convolution(toFloat(x), toFloat(kernel), { ...options, precision });
}

function forward(x: Value, filter: Value, layout: Layout): Value {
  const data = dataAxes(layout, "b", "f");
  return convolve(x, filter, {
    axes: `${data} ${spatialOf(layout)}io ${data}`,
    padding: layout.axes.map(({ padding }) => padding),
    strides: layout.axes.map(({ stride }) => stride),
    kernelDilation: layout.axes.map(({ dilation }) => dilation),
    featureGroups: layout.groups,
  });
}

/** The gradient by the input: `dy`, as far apart as the kernel moved, convolved with the kernel turned around. */
function backwardInput(dy: Value, filter: Value, layout: Layout): Value {
  const data = dataAxes(layout, "b", "f");
  const padding: Padding = layout.axes.map(({ input, kernel, output, stride, dilation, padding: [before] }) => {
    const low = extent(kernel, dilation) - 1 - before;
    return [low, input - 1 + extent(kernel, dilation) - extent(output, stride) - low];
  });
  return convolve(reached(dy, layout), filter, {
    axes: `${data} ${spatialOf(layout)}oi ${data}`,
    padding,
    inputDilation: layout.axes.map(({ stride }) => stride),
    kernelDilation: layout.axes.map(({ dilation }) => dilation),
    reversed: true,
    featureGroups: layout.groups,
  });
}

/** The windows that the input has: tfjs allows more, which have no part in the result. */
function reached(dy: Value, { axes, channelsFirst }: Layout): Value {
  const limit = dy.type.shape.map((n, i) => Math.min(n, axes[i - (channelsFirst ? 2 : 1)]?.output ?? n));
  return slice(
    dy,
    limit.map(() => 0),
    limit,
  );
}

/** The gradient by the filter: the input convolved with `dy` over the batch. */
function backwardFilter(x: Value, dy: Value, layout: Layout): Value {
  const padding: Padding = layout.axes.map(({ input, kernel, output, stride, dilation, padding: [low] }) => [
    low,
    (kernel - 1) * dilation + extent(output, stride) - input - low,
  ]);
  return convolve(x, dy, {
    axes: `${dataAxes(layout, "f", "b")} ${dataAxes(layout, "i", "o")} ${spatialOf(layout)}bf`,
    padding,
    strides: layout.axes.map(({ dilation }) => dilation),
    kernelDilation: layout.axes.map(({ stride }) => stride),
    batchGroups: layout.groups,
  });
}

type Shape4D = [number, number, number, number];
type Shape5D = [number, number, number, number, number];

function layout2D(
  inputShape: readonly number[],
  filterShape: readonly number[],
  a: Attributes,
  depthwise: boolean,
): Layout {
  const dataFormat = tf.backend_util.convertConv2DDataFormat((a.dataFormat as "NHWC" | undefined) ?? "NHWC");
  const info = tf.backend_util.computeConv2DInfo(
    [...inputShape] as Shape4D,
    [...filterShape] as Shape4D,
    a.strides as number,
    (a.dilations as number | null | undefined) ?? 1,
    a.pad as number,
    a.dimRoundingMode as "floor",
    depthwise,
    dataFormat,
  );
  return {
    axes: axes2D(info),
    channelsFirst: dataFormat === "channelsFirst",
    groups: depthwise ? info.inChannels : 1,
  };
}

function layout3D(inputShape: readonly number[], filterShape: readonly number[], a: Attributes): Layout {
  const info = tf.backend_util.computeConv3DInfo(
    [...inputShape] as Shape5D,
    [...filterShape] as Shape5D,
    a.strides as number,
    (a.dilations as number | null | undefined) ?? 1,
    a.pad as number,
  );
  return { axes: axes3D(info), channelsFirst: false, groups: 1 };
}

type Inputs = Readonly<Record<string, Value>>;
const shapeOf = ({ type }: Value): readonly number[] => type.shape;
const given = (shape: unknown): readonly number[] => shape as number[];

const conv2D = ({ x, filter }: Inputs, attrs: Attributes): Value =>
  forward(x, filter, layout2D(shapeOf(x), shapeOf(filter), attrs, false));

/** Height, width, channels and kernels of each become height, width, 1 and all kernels, or the other way round. */
const ungrouped = (filter: Value): Value => {
  const [height, width, channels, multiplier] = shapeOf(filter);
  return reshape(filter, [height, width, 1, channels * multiplier]);
};

const depthwise = ({ x, filter }: Inputs, attrs: Attributes): Value =>
  forward(x, ungrouped(filter), layout2D(shapeOf(x), shapeOf(filter), attrs, true));

/** With features first, a bias and slopes for each feature stand before the spatial axes. */
function aligned(kernel: Kernel): Kernel {
  return (inputs, attrs, device) => {
    if (attrs.dataFormat !== "NCHW") return kernel(inputs, attrs, device);
    const along = (x: Value): Value => (x?.type.shape.length === 1 ? reshape(x, [...x.type.shape, 1, 1]) : x);
    const { bias, preluActivationWeights } = inputs;
    return kernel(
      { ...inputs, bias: along(bias), preluActivationWeights: along(preluActivationWeights) },
      attrs,
      device,
    );
  };
}

/** Convolutions and their gradients. */
export const CONVOLUTION = {
  Conv2D: conv2D,
  FusedConv2D: aligned(fused(conv2D)),
  Conv2DBackpropInput: ({ dy, filter }, attrs) =>
    backwardInput(dy, filter, layout2D(given(attrs.inputShape), shapeOf(filter), attrs, false)),
  Conv2DBackpropFilter: ({ x, dy }, attrs) =>
    backwardFilter(x, dy, layout2D(shapeOf(x), given(attrs.filterShape), attrs, false)),
  DepthwiseConv2dNative: depthwise,
  FusedDepthwiseConv2D: aligned(fused(depthwise)),
  DepthwiseConv2dNativeBackpropInput: ({ dy, filter }, attrs) =>
    backwardInput(dy, filter, layout2D(given(attrs.inputShape), shapeOf(filter), attrs, true)),
  DepthwiseConv2dNativeBackpropFilter: ({ x, dy }, attrs) => {
    const shape = given(attrs.filterShape);
    return reshape(backwardFilter(x, dy, layout2D(shapeOf(x), shape, attrs, true)), shape);
  },
  Conv3D: ({ x, filter }, attrs) => forward(x, filter, layout3D(shapeOf(x), shapeOf(filter), attrs)),
  Conv3DBackpropInputV2: ({ dy, filter }, attrs) =>
    backwardInput(dy, filter, layout3D(given(attrs.inputShape), shapeOf(filter), attrs)),
  Conv3DBackpropFilterV2: ({ x, dy }, attrs) =>
    backwardFilter(x, dy, layout3D(shapeOf(x), given(attrs.filterShape), attrs)),
} as const satisfies Record<string, Kernel>;
