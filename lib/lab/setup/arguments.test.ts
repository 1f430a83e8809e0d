import { describe, expect, it } from "vitest";
import { parseArguments } from "./arguments.mjs";

describe("the set-up's arguments", () => {
  it("are all optional", () => {
    expect(parseArguments([])).toEqual({ cuda: false, tensorflow: [], embeddings: false, interop: false, help: false });
    expect(parseArguments(["--cuda"])).toEqual({
      cuda: true,
      tensorflow: [],
      embeddings: false,
      interop: false,
      help: false,
    });
    expect(parseArguments(["-h"])).toEqual({
      cuda: false,
      tensorflow: [],
      embeddings: false,
      interop: false,
      help: true,
    });
    expect(parseArguments(["--tensorflow-gpu"]).tensorflow).toEqual(["gpu"]);
    expect(parseArguments(["--tensorflow-gpu", "--tensorflow"]).tensorflow).toEqual(["cpu", "gpu"]);
  });

  it("are refused when unknown, in one line that names those that exist", () => {
    for (const unknown of ["--gpu", "--cuda=1", "cuda", ""]) {
      expect(() => parseArguments(["--cuda", unknown])).toThrow(
        new RegExp(
          `^The set-up knows no argument "${unknown}": it takes --cuda, --tensorflow, --tensorflow-gpu, --embeddings, --interop and --help.*$`,
        ),
      );
    }
  });
});
