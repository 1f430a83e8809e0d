import { describe, expect, it } from "vitest";
import { parseArguments, parseSettings, positiveNumber, readJsonFile, UsageError } from "./arguments";

const OPTIONS = { set: { type: "string", multiple: true }, data: { type: "string" } } as const;

describe("arguments", () => {
  it("are options and one file", () => {
    const parsed = parseArguments(["--set", "a=1", "c.json", "--set", "b=x"], "CONFIG.json", OPTIONS);
    expect(parsed).toEqual({ values: { set: ["a=1", "b=x"] }, argument: "c.json" });
  });

  it.each<[string, string[], RegExp]>([
    ["no file", [], /CONFIG.json is missing/],
    ["two files", ["a", "b"], /one CONFIG.json is expected, not a and b/],
    ["an unknown option", ["a", "--dat", "x"], /--dat/],
  ])("with %s are refused", (_, args, message) => {
    expect(() => parseArguments(args, "CONFIG.json", OPTIONS)).toThrow(UsageError);
    expect(() => parseArguments(args, "CONFIG.json", OPTIONS)).toThrow(message);
  });

  it("set keys to JSON, or to text where it is none", () => {
    expect(parseSettings(["trainTokens=1e6", "denseLayers=[0]", "corpus=quickstart", "name=a=b"])).toEqual({
      trainTokens: 1e6,
      denseLayers: [0],
      corpus: "quickstart",
      name: "a=b",
    });
    expect(() => parseSettings(["seed"])).toThrow(/--set seed: expected key=value/);
  });

  it("are numbers above 0 where a budget is asked for", () => {
    expect([positiveNumber("1e3", "--tokens"), positiveNumber(undefined, "--tokens")]).toEqual([1000, undefined]);
    expect(() => positiveNumber("-1", "--tokens")).toThrow(/--tokens -1: expected a number above 0/);
  });

  it("name a file that can be read", () => {
    expect(() => readJsonFile("/nowhere.json")).toThrow(/cannot read .nowhere.json: ENOENT/);
    expect(() => readJsonFile(__filename)).toThrow(/cannot read .*arguments.test.ts/);
  });
});
