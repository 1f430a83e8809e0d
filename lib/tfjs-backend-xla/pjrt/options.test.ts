import { describe, expect, it } from "vitest";
import { encodeCompileOptions } from "./options";

const hex = (...options: Parameters<typeof encodeCompileOptions>): string =>
  encodeCompileOptions(...options).toString("hex");

describe("encodeCompileOptions", () => {
  it("asks for one copy on any device by default", () => {
    // build options (3): device ordinal (1) -1, replicas (4) 1, partitions (5) 1
    expect(hex()).toBe("1a0f" + "08ffffffffffffffffff01" + "2001" + "2801");
  });

  it("splits a program over devices by Shardy", () => {
    // ... use SPMD partitioning (6), use Shardy (19, whose tag takes two bytes)
    expect(hex({ numPartitions: 4, numReplicas: 2, useShardy: true })).toBe(
      "1a14" + "08ffffffffffffffffff01" + "2002" + "2804" + "3001" + "980101",
    );
  });

  it.each([
    { value: "ab", encoded: "0a026162" },
    { value: true, encoded: "1001" },
    { value: false, encoded: "1000" },
    { value: 300, encoded: "18ac02" },
    { value: -1, encoded: "18ffffffffffffffffff01" },
    { value: 0.5, encoded: "21000000000000e03f" },
  ])("encodes the flag value $value by its type", ({ value, encoded }) => {
    const byte = (n: number): string => n.toString(16).padStart(2, "0");
    const size = encoded.length / 2;
    // overrides (7): entry with key (1) and value (2)
    expect(hex({ overrides: { k: value } })).toBe(
      hex() + "3a" + byte(size + 5) + "0a016b" + "12" + byte(size) + encoded,
    );
  });

  it("refuses counts that are not positive integers", () => {
    expect(() => encodeCompileOptions({ numPartitions: 0 })).toThrow(
      new RangeError("numPartitions is 0: expected a positive integer"),
    );
    expect(() => encodeCompileOptions({ numReplicas: 1.5 })).toThrow(RangeError);
  });
});
