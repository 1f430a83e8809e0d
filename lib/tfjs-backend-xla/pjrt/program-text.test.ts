import { describe, expect, it } from "vitest";
import { openClient } from "./open";
import { ProgramError } from "./program-error";
import { checkProgramText } from "./program-text";

const DEEP = 100_000;
const nest = (open: string, close: string, inner = "") => open.repeat(DEEP) + inner + close.repeat(DEEP);
const T = "tensor<f32>";
const main = (body: string, more = "") => `func.func @main(%x: ${T}) -> ${T} { ${body} return %0 : ${T} } ${more}`;

/** Each of these ends a process that has XLA compile it. */
const HOSTILE: Record<string, { text: string; message: string }> = {
  "nested attributes": { text: `module attributes {a = ${nest("[", "]")}} {}`, message: "more than 500 deep" },
  "nested dictionaries": { text: `module attributes {a = ${nest("{a=", "}", "1")}} {}`, message: "more than 500 deep" },
  "nested types": {
    text: `func.func @main(%x: ${nest("tuple<", ">", "f32")}) { return }`,
    message: "more than 500 deep",
  },
  "nested locations": { text: `func.func @main() { return } loc(${nest("fused[", "]", '"a"')})`, message: "500 deep" },
  "nested literals": {
    text: main(`%0 = stablehlo.constant dense<${nest("[", "]", "1")}> : ${T}`),
    message: "500 deep",
  },
  "nested regions": { text: main(nest('"stablehlo.case"() ({ ', "}) : () -> ()")), message: "more than 500 deep" },
  "nested modules": { text: nest("module { ", "}"), message: "more than 500 deep" },
  "nothing but brackets": { text: "(".repeat(1_000_000), message: "more than 500 deep" },
  "sizes that overflow": {
    text: "func.func @main(%x: tensor<4294967296x4294967296xf32>) { return }",
    message: "a tensor has 4294967296x4294967296 elements: there can be 2^53 - 1 at most",
  },
  "a function without a body": { text: "func.func private @main()", message: "the function main has no body" },
  "an external function": {
    text: `func.func private @f(${T}) -> ${T}\n${main(`%0 = call @f(%x) : (${T}) -> ${T}`)}`,
    message: "the function f has no body",
  },
  "a private main": { text: "func.func private @main() { return }", message: "main is private" },
  recursion: { text: main(`%0 = call @main(%x) : (${T}) -> ${T}`), message: "the function main calls itself" },
  "recursion by others": {
    text: main(
      `%0 = call @"g h"(%x) : (${T}) -> ${T}`,
      ["g h", "k"]
        .map(
          (name, i, both) =>
            `func.func private @"${name}"(%x: ${T}) -> ${T} { %0 = func.call @"${both[1 - i]}"(%x) : (${T}) -> ${T} return %0 : ${T} }`,
        )
        .join("\n"),
    ),
    message: "the function g h calls itself",
  },
  "the generic form": { text: '"func.func"() ({}) {sym_name = "main"} : () -> ()', message: "generic form" },
};

describe("a hostile program", () => {
  const client = openClient("cpu");

  it.each(Object.entries(HOSTILE))("is refused before XLA sees it: %s", async (_, { text, message }) => {
    expect(() => checkProgramText(text)).toThrow(message);
    expect(() => client.compileSync(text)).toThrow(ProgramError);
    await expect(client.compile(Buffer.from(text))).rejects.toThrow(ProgramError);
  });
});

describe("a harmless program", () => {
  it.each([
    [
      "brackets, calls and sizes in strings and comments",
      `// ${"(".repeat(600)} tensor<99999999999999999999xf32>\nmodule attributes {a = "${"[".repeat(600)}\\"{"} {}`,
    ],
    [
      "functions with attributes, results and other functions",
      `module @"a b" attributes {mhlo.num_partitions = 1 : i32} {
      func.func public @main(%x: ${T} {tf.aliasing_output = 0 : i32}) -> (${T} {jax.result_info = "out"}) attributes {a = {b = 1}} {
        %0 = call @f(%x) : (${T}) -> ${T}
        %1 = func.call @f(%0) : (${T}) -> ${T}
        return %1 : ${T}
      }
      func.func private @f(%y: ${T}) -> ${T} {
        %0 = "stablehlo.custom_call"(%y) {call_target_name = "f", called_computations = []} : (${T}) -> ${T}
        return %0 : ${T}
      }
    }`,
    ],
    ["nothing", ""],
    ["an open string", 'module "'],
  ])("passes: %s", (_, text) => {
    expect(() => checkProgramText(text)).not.toThrow();
  });
});
