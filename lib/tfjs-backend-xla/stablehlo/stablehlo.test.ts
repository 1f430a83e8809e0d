import { describe, expect, it } from "vitest";
import { openClient } from "../pjrt";
import {
  binary,
  broadcastInDim,
  broadcastTo,
  clamp,
  concatenate,
  dotGeneral,
  gather,
  isFinite,
  iota,
  literal,
  optimizationBarrier,
  pad,
  parameter,
  printModule,
  reduce,
  reshape,
  select,
  ShapeError,
  slice,
  splat,
  sum,
  transpose,
  unary,
  type DType,
  type Value,
} from "./index";

const f32 = (...shape: number[]): Value => parameter({ dtype: "f32", shape });
const of = (dtype: DType, ...shape: number[]): Value => parameter({ dtype, shape });

describe("shape inference", () => {
  it("gives each operation its result type", () => {
    expect(binary("add", f32(2, 3), f32(2, 3)).type).toEqual({ dtype: "f32", shape: [2, 3] });
    expect(transpose(f32(2, 3, 4), [2, 0, 1]).type.shape).toEqual([4, 2, 3]);
    expect(broadcastInDim(f32(3), [2, 3, 4], [1]).type.shape).toEqual([2, 3, 4]);
    expect(slice(f32(7), [1], [6], [2]).type.shape).toEqual([3]);
    expect(pad(f32(3, 2), splat(0, "f32"), [1, -1], [0, 0], [1, 0]).type.shape).toEqual([6, 1]);
    expect(concatenate([f32(2, 3), f32(2, 1)], 1).type.shape).toEqual([2, 4]);
    expect(dotGeneral(f32(5, 2, 3), f32(5, 4, 3), { batch: [[0], [0]], contract: [[2], [2]] }).type.shape).toEqual([
      5, 2, 4,
    ]);
    expect(sum(f32(2, 3, 4), [0, 2]).type.shape).toEqual([3]);
    const rows = { offsetDims: [1], collapsedSliceDims: [0], startIndexMap: [0], indexVectorDim: 1 };
    expect(gather(f32(9, 4), of("i32", 5), rows, [1, 4]).type.shape).toEqual([5, 4]);
  });

  it("adds nothing to a program where nothing changes", () => {
    const x = f32(2, 3);
    for (const same of [
      reshape(x, [2, 3]),
      transpose(x, [0, 1]),
      broadcastTo(x, [2, 3]),
      slice(x, [0, 0], [2, 3]),
      concatenate([x], 0),
      sum(x, []),
    ]) {
      expect(same).toBe(x);
    }
  });

  it.each<[string, () => Value]>([
    ["add: the operands are tensor<2xf32> and tensor<3xf32>", () => binary("add", f32(2), f32(3))],
    ["add: the operands are tensor<2xf32> and tensor<2xi32>", () => binary("add", f32(2), of("i32", 2))],
    ["exponential: takes floating-point tensors, not tensor<2xi32>", () => unary("exponential", of("i32", 2))],
    ["is_finite: takes floating-point tensors", () => isFinite(of("i1", 2))],
    ["select: the condition is tensor<2xf32>", () => select(f32(2), f32(2), f32(2))],
    ["clamp: the bound tensor<3xf32> does not fit", () => clamp(f32(3), f32(2), splat(1, "f32"))],
    ["reshape: tensor<2x3xf32> has no shape [4]", () => reshape(f32(2, 3), [4])],
    ["transpose: [0, 0] is no permutation", () => transpose(f32(2, 3), [0, 0])],
    ["broadcast_in_dim: tensor<2xf32> along axes [0] does not fit [3]", () => broadcastInDim(f32(2), [3], [0])],
    ["slice: [0] to [9] is not inside tensor<3xf32>", () => slice(f32(3), [0], [9])],
    [
      "concatenate: tensor<2x3xf32> and tensor<1x4xf32> do not fit along axis 0",
      () => concatenate([f32(2, 3), f32(1, 4)], 0),
    ],
    ["pad: the padding value tensor<i32> is no f32 scalar", () => pad(f32(2), splat(0, "i32"), [1], [1])],
    ["iota: [2] has no axis 1", () => iota("i32", [2], 1)],
    [
      "dot_general: tensor<2x3xf32> and tensor<2x3xf32> do not fit",
      () => dotGeneral(f32(2, 3), f32(2, 3), { contract: [[1], [0]] }),
    ],
    ["reduce: tensor<2xf32> has no axes [1]", () => sum(f32(2), [1])],
    ["constant: tensor<1000000x1000000x1000000xf32> has more elements", () => splat(0, "f32", [1e6, 1e6, 1e6])],
    ["constant: 1.5 is not an integer", () => splat(1.5, "i32")],
    ["constant: 2 values for the shape [3]", () => literal([1, 2], "f32", [3])],
  ])("refuses: %s", (message, build) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});

describe("printing", () => {
  it("is the same for the same structure, and shows it", () => {
    const build = () => {
      const [x, w] = [f32(2, 3), f32(3, 4)];
      const y = dotGeneral(x, w, { contract: [[1], [0]] });
      const total = reduce(y, [0, 1], splat(0, "f32"), (a, b) => binary("add", a, b));
      return printModule({ name: "golden", parameters: [x, w], results: [y, total], aliases: new Map([[1, 0]]) });
    };
    expect(build()).toBe(build());
    expect(build()).toMatchInlineSnapshot(`
      "module @golden {
        func.func public @main(%arg0: tensor<2x3xf32>, %arg1: tensor<3x4xf32> {tf.aliasing_output = 0 : i32}) -> (tensor<2x4xf32>, tensor<f32>) {
          %0 = "stablehlo.dot_general"(%arg0, %arg1) {dot_dimension_numbers = #stablehlo.dot<lhs_batching_dimensions = [], rhs_batching_dimensions = [], lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>, precision_config = [#stablehlo<precision DEFAULT>, #stablehlo<precision DEFAULT>]} : (tensor<2x3xf32>, tensor<3x4xf32>) -> (tensor<2x4xf32>)
          %1 = "stablehlo.constant"() {value = dense<0.000000000e+0> : tensor<f32>} : () -> (tensor<f32>)
          %3 = "stablehlo.reduce"(%0, %1) ({
          ^bb0(%b0: tensor<f32>, %b1: tensor<f32>):
            %2 = "stablehlo.add"(%b0, %b1) : (tensor<f32>, tensor<f32>) -> (tensor<f32>)
            "stablehlo.return"(%2) : (tensor<f32>) -> ()
          }) {dimensions = array<i64: 0, 1>} : (tensor<2x4xf32>, tensor<f32>) -> (tensor<f32>)
          "func.return"(%0, %3) : (tensor<2x4xf32>, tensor<f32>) -> ()
        }
      }
      "
    `);
  });

  it("refuses a value that hangs on another program's parameter", () => {
    expect(() => printModule({ name: "m", parameters: [], results: [binary("add", f32(2), f32(2))] })).toThrow(
      "depends on a parameter tensor<2xf32> of another program",
    );
  });

  it("writes numbers that XLA reads back exactly", () => {
    const numbers = [0, -0, 1 / 3, -1e-38, 3.4028234663852886e38, 16777217, Infinity, -Infinity, 1e-45].map(
      Math.fround,
    );
    const whole = [0, -1, 2147483647, -2147483648];
    const results = [
      literal(numbers, "f32", [3, 3]),
      literal(whole, "i32", [4]),
      splat(NaN, "f32", [2]),
      literal([1, 0, 1], "i1", [3]),
    ];
    const program = openClient("cpu").compileSync(printModule({ name: "constants", parameters: [], results }));
    const [floats, ints, nans, bools] = program.execute([]).map((buffer) => buffer.toHostSync());
    expect([...(floats as Float32Array)].every((x, i) => Object.is(x, numbers[i]))).toBe(true);
    expect([...(ints as Int32Array)]).toEqual(whole);
    expect([...(nans as Float32Array)]).toEqual([NaN, NaN]);
    expect([...(bools as Uint8Array)]).toEqual([1, 0, 1]);
    program.destroy();
  });

  it("prints deep graphs without recursion", () => {
    let x: Value = f32();
    const parameters = [x];
    for (let i = 0; i < 50_000; i++) [x] = optimizationBarrier([x]);
    expect(printModule({ name: "deep", parameters, results: [x] }).split("\n").length).toBeGreaterThan(50_000);
  });
});
