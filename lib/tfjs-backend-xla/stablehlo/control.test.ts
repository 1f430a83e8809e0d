import { beforeAll, describe, expect, it } from "vitest";
import { openClient, type Client } from "../pjrt";
import {
  alongFirst,
  binary,
  compare,
  conditional,
  dynamicSlice,
  dynamicUpdateSlice,
  optimizationBarrier,
  parameter,
  printModule,
  reshape,
  ShapeError,
  splat,
  substitute,
  unary,
  whileLoop,
  type DType,
  type Value,
} from "./index";

const of = (dtype: DType, ...shape: number[]): Value => parameter({ dtype, shape });
const f32 = (...shape: number[]): Value => of("f32", ...shape);

let client: Client;
beforeAll(() => (client = openClient("cpu")));

/** The results of a program of f32 parameters, as lists of numbers. */
function run(parameters: readonly Value[], results: readonly Value[], args: readonly number[][]): number[][] {
  const program = client.compileSync(printModule({ name: "m", parameters, results }));
  const inputs = args.map((data, i) => client.bufferFromHost(Float32Array.from(data), "f32", parameters[i].type.shape));
  return program.execute(inputs).map((buffer) => [...(buffer.toHostSync() as Float32Array)]);
}

/** x, halved as often as it is above `limit`, and how often that was; both pass through the loop's state. */
const halve = (x: Value, limit: Value): readonly Value[] =>
  whileLoop(
    [x, splat(0, "f32"), limit],
    ([now, , end]) => compare("GT", now, end),
    ([now, count, end]) => [binary("multiply", now, splat(0.5, "f32")), binary("add", count, splat(1, "f32")), end],
  );

describe("a loop", () => {
  it("runs while its condition holds", () => {
    const [x, limit] = [f32(), f32()];
    const [last, count] = halve(x, limit);
    expect(run([x, limit], [last, count], [[20], [3]])).toEqual([[2.5], [3]]);
  });

  it("fills a sequence in place", () => {
    const xs = f32(4, 2);
    const [, out] = whileLoop(
      [splat(0, "i32"), xs],
      ([n]) => compare("LT", n, splat(3, "i32")),
      ([n, all]) => {
        const next = binary("add", n, splat(1, "i32"));
        const row = dynamicSlice(all, alongFirst(n, 2), [1, 2]);
        const below = dynamicSlice(all, alongFirst(next, 2), [1, 2]);
        return [next, dynamicUpdateSlice(all, binary("add", row, below), alongFirst(next, 2))];
      },
    );
    expect(run([xs], [out], [[1, 2, 3, 4, 5, 6, 7, 8]])).toEqual([[1, 2, 4, 6, 9, 12, 16, 20]]);
  });
});

describe("a choice", () => {
  it("computes the branch that the predicate names, from values outside", () => {
    const [x, y] = [f32(2), f32(2)];
    const outside = binary("add", x, y);
    const isPositive = compare("GT", reshape(dynamicSlice(x, [splat(0, "i32")], [1]), []), splat(0, "f32"));
    const [chosen] = conditional(
      isPositive,
      [unary("exponential", binary("subtract", outside, outside))],
      [unary("negate", outside)],
      [outside],
    );
    const results = [chosen, binary("multiply", outside, outside)];
    expect(run([x, y], results, [[1, 2], [3, 4]])).toEqual([[1, 1], [16, 36]]); // prettier-ignore
    expect(run([x, y], results, [[-1, 2], [3, 4]])).toEqual([[-2, -6], [4, 36]]); // prettier-ignore
  });

  it("prints what only one branch needs inside of that branch, and again where it is needed outside", () => {
    const [p, x] = [of("i1"), f32()];
    const sine = unary("sine", x);
    const [chosen] = conditional(p, [sine], [x], [x]);
    const text = printModule({ name: "m", parameters: [p, x], results: [chosen, sine] });
    expect(text.match(/stablehlo\.sine/g)).toHaveLength(2);
    client.compileSync(text).destroy();
  });
});

describe("substitution", () => {
  it("applies a computation to other arguments, inside of regions too, and shares the rest", () => {
    const [x, other] = [f32(), f32()];
    const constant = unary("sine", splat(1, "f32"));
    const doubled = binary("add", x, x);
    const [chosen] = conditional(
      compare("GT", x, constant),
      [binary("multiply", doubled, doubled)],
      [doubled],
      [doubled],
    );
    const [count] = halve(chosen, constant).slice(1);
    const [copy, same] = substitute([binary("add", chosen, count), constant], new Map([[x, unary("negate", other)]]));
    expect(same).toBe(constant);
    expect(run([other], [copy], [[-3]])).toEqual([[36 + 6]]);
    expect(run([other], [copy], [[3]])).toEqual([[-6]]);
  });

  it("leaves a computation alone that hangs on nothing replaced", () => {
    const x = f32();
    const y = unary("sine", x);
    expect(substitute([y], new Map([[f32(), x]]))).toEqual([y]);
  });
});

describe("an optimization barrier", () => {
  it("keeps equal computations apart", () => {
    const x = f32(64);
    const [behind] = optimizationBarrier([x]);
    const result = binary("add", unary("sine", x), unary("sine", behind));
    const program = client.compileSync(printModule({ name: "m", parameters: [x], results: [result] }));
    expect(
      program
        .optimizedProgram()
        .code.toString("latin1")
        .match(/\bsine[^\w]/g)?.length,
    ).toBeGreaterThanOrEqual(2);
    program.destroy();
  });
});

describe("control flow", () => {
  it.each<[string, () => unknown]>([
    [
      "while: the body turns (tensor<f32>) into (tensor<2xf32>)",
      () => whileLoop([f32()], () => of("i1"), () => [f32(2)]), // prettier-ignore
    ],
    ["while: the condition is tensor<f32>", () => whileLoop([f32()], ([x]) => x, ([x]) => [x])], // prettier-ignore
    ["if: the predicate is tensor<2xi1>", () => conditional(of("i1", 2), [], [], [])],
    ["if: the branches give (tensor<f32>) and (tensor<i32>)", () => conditional(of("i1"), [f32()], [of("i32")], [])],
    ["dynamic_slice: a slice [4] at 1 indices does not fit", () => dynamicSlice(f32(3), [of("i32")], [4])],
    ["dynamic_update_slice: tensor<4xf32> at 1", () => dynamicUpdateSlice(f32(3), f32(4), [of("i32")])],
  ])("refuses: %s", (message, build) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
