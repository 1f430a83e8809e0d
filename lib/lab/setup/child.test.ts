import { describe, expect, it } from "vitest";
import { failureLines } from "./child.mjs";

describe("failureLines", () => {
  it("begin at the first error and leave out stack frames", () => {
    const log = [
      "$ npm ci",
      "npm warn deprecated a",
      "npm error code ECONNREFUSED",
      "npm error FetchError: request failed",
      "npm error     at ClientRequest.emit (node:events:524:28)",
      "npm error     at process.processTicksAndRejections (node:internal/process/task_queues:83:21) {",
      "npm error",
      "npm error   port: 9",
      "",
    ].join("\n");
    expect(failureLines(log, 10)).toEqual([
      "npm error code ECONNREFUSED",
      "npm error FetchError: request failed",
      "npm error   port: 9",
    ]);
    expect(failureLines(log, 1)).toEqual(["npm error code ECONNREFUSED"]);
  });

  it("are the last ones where nothing is called an error", () => {
    expect(failureLines("$ python -m venv x\none\n\ntwo\nensurepip is not available.\n", 2)).toEqual([
      "two",
      "ensurepip is not available.",
    ]);
    expect(failureLines("$ python -m venv x\n", 2)).toEqual([]);
  });
});
