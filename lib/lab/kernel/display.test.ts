import { describe, expect, it } from "vitest";
import { bundleOf, DISPLAY, displayContent } from "./display";

describe("the value that ends a cell", () => {
  it("is printed as Node prints it, without end", async () => {
    expect(await bundleOf({ a: [1, 2] })).toEqual({ "text/plain": "{ a: [ 1, 2 ] }" });
    const long = (await bundleOf(new Float32Array(1000)))["text/plain"] as string;
    expect(long).toContain("950 more items");
  });

  it("shows itself where it can, now or later", async () => {
    const bundle = { "text/html": "<p>", "text/plain": "p" };
    expect(await bundleOf({ [DISPLAY]: () => bundle })).toEqual(bundle);
    expect(await bundleOf({ [DISPLAY]: () => Promise.resolve(bundle) })).toEqual(bundle);
    class Figure {
      readonly name = "own";
      [DISPLAY](): object {
        return { "text/plain": this.name };
      }
    }
    expect(await bundleOf(new Figure())).toEqual({ "text/plain": "own" });
  });

  it("is drawn where it is a plotly figure", async () => {
    const figure = { data: [{ y: [1] }], layout: { title: { text: "<b>Loss</b><br>small print" } } };
    expect(await bundleOf(figure)).toEqual({
      "application/vnd.plotly.v1+json": figure,
      "text/plain": "[figure: Loss]",
    });
    expect(Object.keys(await bundleOf({ data: [1], layout: {}, other: 1 }))).toEqual(["text/plain"]);
    expect(Object.keys(await bundleOf({ data: [1] }))).toEqual(["text/plain"]);
  });

  it("is printed where its display method gives nothing, and fails where that fails", async () => {
    expect(await bundleOf({ [DISPLAY]: () => undefined, a: 1 })).toEqual({
      "text/plain": expect.stringContaining("a: 1") as unknown,
    });
    const failing = { [DISPLAY]: () => Promise.reject(new Error("cannot draw")) };
    await expect(bundleOf(failing)).rejects.toThrow("cannot draw");
  });
});

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
