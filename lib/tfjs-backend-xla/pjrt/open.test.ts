import { expect, it } from "vitest";
import { memoryOptions } from "./open";

it("takes the share of a GPU's memory from the environment", () => {
  expect(memoryOptions({})).toEqual({});
  expect(memoryOptions({ XLA_CLIENT_MEM_FRACTION: "0.9" })).toEqual({ memory_fraction: 0.9 });
});

it.each(["0", "1", "90%", "-0.5", "all"])("refuses the share %j", (text) => {
  expect(() => memoryOptions({ XLA_CLIENT_MEM_FRACTION: text })).toThrow(
    `XLA_CLIENT_MEM_FRACTION is ${text}: expected a number between 0 and 1`,
  );
});
