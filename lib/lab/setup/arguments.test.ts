import { describe, expect, it } from "vitest";
import { parseArguments } from "./arguments.mjs";

describe("the set-up's arguments", () => {
  it("are all optional", () => {
    expect(parseArguments([])).toEqual({ cuda: false, help: false });
    expect(parseArguments(["--cuda"])).toEqual({ cuda: true, help: false });
    expect(parseArguments(["-h"])).toEqual({ cuda: false, help: true });
  });

  it("are refused when unknown, in one line that names those that exist", () => {
    for (const unknown of ["--gpu", "--cuda=1", "cuda", ""]) {
      expect(() => parseArguments(["--cuda", unknown])).toThrow(
        new RegExp(`^The set-up knows no argument "${unknown}": it takes --cuda and --help.*$`),
      );
    }
  });
});
