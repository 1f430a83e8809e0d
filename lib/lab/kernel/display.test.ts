import { describe, expect, it } from "vitest";
import { displayContent } from "./display";

describe("what the library shows", () => {
  it("has a name only where it is given one, and bytes as base64", () => {
    expect(displayContent({ "image/png": new Uint8Array([104, 105]) })).toEqual({
      data: { "image/png": "aGk=" },
      metadata: {},
      transient: {},
    });
    expect(displayContent({}, { id: "bar", metadata: { "image/png": { width: 5 } } })).toEqual({
      data: {},
      metadata: { "image/png": { width: 5 } },
      transient: { display_id: "bar" },
    });
  });
});
