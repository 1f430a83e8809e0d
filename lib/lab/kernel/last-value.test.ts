import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { describe, expect, it } from "vitest";
import { bundleOf } from "./last-value";

const DISPLAY = Symbol.for("Jupyter.display");

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

  it("is printed with its values where it is a tensor, unless it is disposed", async () => {
    const tensor = tf.tensor([1, 2]);
    expect((await bundleOf(tensor))["text/plain"]).toMatch(/shape: \[2\][^]*\[1, 2\]/);
    tensor.dispose();
    expect((await bundleOf(tensor))["text/plain"]).toContain("isDisposedInternal: true");
  });

  it("is printed where its display method gives nothing, and fails where that fails", async () => {
    expect(await bundleOf({ [DISPLAY]: () => undefined, a: 1 })).toEqual({
      "text/plain": expect.stringContaining("a: 1") as unknown,
    });
    const failing = { [DISPLAY]: () => Promise.reject(new Error("cannot draw")) };
    await expect(bundleOf(failing)).rejects.toThrow("cannot draw");
  });
});
