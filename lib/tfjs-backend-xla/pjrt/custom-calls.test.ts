import { describe, expect, it } from "vitest";
import { checkCustomCalls } from "./custom-calls";
import { openClient } from "./open";
import { ProgramError } from "./program-error";

const T = "tensor<4xf32>";
const TYPE = `(${T}) -> ${T}`;
const main = (op: string, before = "", type = TYPE) =>
  `${before}func.func @main(%a: ${T}) -> ${T} { %r = ${op} : ${type} return %r : ${T} }`;
const call = (target: string, attributes = "", operands = "%a") =>
  `"stablehlo.custom_call"(${operands}) {call_target_name = "${target}"${attributes}}`;

/** Each of these ends the process when XLA compiles it for a CPU, or when it runs. */
const HOSTILE: Record<string, { text: string; message: string }> = {
  "a target of XLA's own": { text: main(call("TopK")), message: 'a custom call of "TopK": what a program for cpu may' },
  "one that ends it when it runs": { text: main(call("__onednn$matmul")), message: 'call of "__onednn$matmul"' },
  "the pretty form": { text: main(`stablehlo.custom_call @SliceToDynamic(%a)`), message: '"SliceToDynamic"' },
  "a quoted symbol after a comment": {
    text: main('stablehlo.custom_call // @Sharding\n @"TopK"(%a)'),
    message: 'of "TopK"',
  },
  "another dialect": { text: main(call("TopK").replace("stablehlo", "mhlo")), message: 'of "TopK"' },
  "a quoted attribute": {
    text: main('"stablehlo.custom_call"(%a) {"call_target_name" = "TopK"}'),
    message: 'of "TopK"',
  },
  "attributes in an alias": {
    text: main('"stablehlo.custom_call"(%a) <#t>', '#t = {call_target_name = "TopK"}\n'),
    message: 'of "TopK"',
  },
  "a target in an alias": {
    text: main('"stablehlo.custom_call"(%a) {call_target_name = #t}', '#t = "TopK"\n'),
    message: "the target of a custom call is an alias",
  },
  "a target with escapes": { text: main(call("Top\\4B")), message: 'of "Top\\4B"' },
  "an attribute with escapes": {
    text: main('"stablehlo.custom_call"(%a) {"call\\5Ftarget_name" = "TopK"}'),
    message: "written with escapes",
  },
  "an operation with escapes": { text: main(call("TopK").replace("_", "\\5F")), message: "written with escapes" },
  "no operand": {
    text: main(call("Sharding", "", ""), "", `() -> ${T}`),
    message: 'a custom call of "Sharding" has 0 operands: it takes 1',
  },
  "too many operands": {
    text: main(call("Sharding", "", "%a, %a"), "", `(${T}, ${T}) -> ${T}`),
    message: "has 2 operands",
  },
  "a function that is not there": {
    text: main(call("Sharding", ", called_computations = [@nothing]")),
    message: "names the function nothing, which is not in the program",
  },
};

describe("a malformed custom call", () => {
  const client = openClient("cpu");

  it.each(Object.entries(HOSTILE))("is refused before XLA sees it: %s", async (_, { text, message }) => {
    expect(() => client.compileSync(text)).toThrow(ProgramError);
    expect(() => client.compileSync(text)).toThrow(message);
    await expect(client.compile(Buffer.from(text))).rejects.toThrow(ProgramError);
  });

  it("is one that the platform's plugin does not know, too", () => {
    const cudnn = main(call("__cudnn$fmhaSoftmax", ", api_version = 2 : i32", "%a, %a, %a"), "", TYPE);
    expect(() => checkCustomCalls(cudnn, "cpu")).toThrow("what a program for cpu may call is Sharding, SPMD");
    expect(() => checkCustomCalls(cudnn, "cuda")).not.toThrow();
    expect(() => checkCustomCalls(main(call("my_kernel")), "cuda")).toThrow('a custom call of "my_kernel"');
  });

  const triton = (config: string, version = 4) =>
    main(
      `stablehlo.custom_call @"__gpu$xla.gpu.triton"(%a) {api_version = ${version} : i32, backend_config = ${config}}`,
    );
  const GRID = "grid_x = 1 : i32, grid_y = 1 : i32, grid_z = 1 : i32";
  const CONFIG = `name = "k", ir = "module {\\0A}", num_stages = 1 : i32, num_warps = 4 : i32, ${GRID}`;

  it.each([
    [triton(`{${CONFIG}}`, 2), 'of "__gpu$xla.gpu.triton" has api_version 2: expected 4'],
    [triton("{}"), 'has no "name" in its backend_config: expected a string'],
    [triton(`{${CONFIG.replace("grid_y", "gridY")}}`), 'has no "grid_y" in its backend_config: expected an integer'],
    [triton(`{${CONFIG.replace('"k"', "3 : i32")}}`), 'has 3 as "name" in its backend_config: expected a string'],
    [
      triton(`{${CONFIG.replace("4 : i32", '"4"')}}`),
      'has "4" as "num_warps" in its backend_config: expected an integer',
    ],
    [main(call("__gpu$xla.gpu.ptx", ", api_version = 4 : i32")), 'has no "name" in its backend_config'],
  ])("of a kernel is one without what XLA reads: %#", (text, message) => {
    expect(() => checkCustomCalls(text, "cuda")).toThrow(message);
  });

  const product = (config: string, version = 4, operands = "%a, %a") => {
    const attributes = `, api_version = ${version} : i32, backend_config = ${config}`;
    return main(call("tfjs_xla$product", attributes, operands), "", `(${T}, ${T}) -> ${T}`);
  };

  it.each([
    [product("{a_turned = false}"), 'has no "b_turned" in its backend_config: expected a boolean'],
    [
      product("{a_turned = 1 : i64, b_turned = false}"),
      'has 1 as "a_turned" in its backend_config: expected a boolean',
    ],
    [product('{a_turned = false, b_turned = "true"}'), 'has "true" as "b_turned" in its backend_config'],
    [product("{a_turned = false, b_turned = truely}"), 'has truely as "b_turned" in its backend_config'],
    [product("{a_turned = false, b_turned = true}", 2), "has api_version 2: expected 4"],
    [product("{a_turned = false, b_turned = true}", 4, "%a"), "has 1 operand: it takes 2"],
  ])("of a product is one without its booleans and operands: %#", (text, message) => {
    expect(() => checkCustomCalls(text, "cpu")).toThrow(message);
  });

  it("is none where all is there", () => {
    expect(() => checkCustomCalls(triton(`{${CONFIG}, debug = false}`), "cuda")).not.toThrow();
    expect(() => checkCustomCalls(product("{a_turned = false, b_turned = true, bf16 = false}"), "cpu")).not.toThrow();
  });
});

describe("programs whose custom calls are well formed", () => {
  it.each([
    ["shardings", main(call("Sharding", ', mhlo.sharding = "{replicated}"'))],
    ["an open string", `custom_call "${"a".repeat(100_000)}`],
    ["names in strings and comments", main(`stablehlo.negate %a // custom_call @TopK "`, "", T)],
    [
      "functions that are there",
      main(call("Sharding", ", called_computations = [@f]"), `func.func private @f(%b: ${T}) -> ${T} { return %b : ${T} } `), // prettier-ignore
    ],
  ])("pass: %s", (_, text) => {
    expect(() => checkCustomCalls(text, "cpu")).not.toThrow();
  });

  it("compile", () => {
    const program = openClient("cpu").compileSync(main(call("Sharding", ', mhlo.sharding = "{replicated}"')));
    expect(program.numOutputs).toBe(1);
  });
});
