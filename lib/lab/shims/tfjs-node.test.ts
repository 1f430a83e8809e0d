import { createRequire } from "node:module";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";

// As the packages that are replaced see it: by require.
const load = createRequire(__filename);
const shim = load("@tensorflow/tfjs-node") as typeof tf;

interface Chained extends tf.Tensor {
  concat(other: tf.Tensor | tf.Tensor[], axis: number): Chained;
  asType(type: string): Chained;
  as2D(rows: number, columns: number): Chained;
  where(condition: tf.Tensor, other: tf.Tensor): Chained;
  sum(): Chained;
}

interface Frame {
  readonly values: unknown;
}

interface Danfojs {
  readonly DataFrame: new (rows: number[][], options: { columns: string[] }) => Frame;
  readonly StandardScaler: new () => { fit(frame: Frame): { transform(frame: Frame): Frame } };
  readonly tensorflow: unknown;
}

describe("the stand-in for tfjs-node", () => {
  it("is the one tfjs-core of this tree", () => {
    expect(shim.Tensor).toBe((load("@tensorflow/tfjs-core") as typeof tf).Tensor);
    expect(shim.version_core).toBe(tf.version_core);
  });

  it("has chained methods, also those that differ from the functions of their names", () => {
    const a = shim.tensor([1, 2]) as Chained;
    expect([...a.concat(shim.tensor([3]), 0).dataSync()]).toEqual([1, 2, 3]);
    expect([...a.concat([shim.tensor([3]), shim.tensor([4])], 0).dataSync()]).toEqual([1, 2, 3, 4]);
    expect(a.asType("int32").dtype).toBe("int32");
    expect(a.as2D(2, 1).shape).toEqual([2, 1]);
    expect([...a.where(shim.tensor([true, false]), shim.tensor([8, 9])).dataSync()]).toEqual([1, 9]);
    a.dispose();
    expect(() => a.sum()).toThrow("disposed");
  });

  it("has gradients", () => {
    const gradient = shim.grad((x) => shim.sum(shim.square(x)));
    expect([...gradient(shim.tensor([1, 3])).dataSync()]).toEqual([2, 6]);
  });

  it("carries danfojs", () => {
    const { DataFrame, StandardScaler, tensorflow } = load("danfojs-node") as Danfojs;
    expect(tensorflow).toBe(shim);
    const frame = new DataFrame([[1], [3]], { columns: ["x"] });
    expect(new StandardScaler().fit(frame).transform(frame).values).toEqual([[-1], [1]]);
  });
});
