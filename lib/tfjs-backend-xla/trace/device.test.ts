import * as tf from "@tensorflow/tfjs-core";
import { describe, expect, it } from "vitest";
import "../index";
import { openDevice, PluginError, type XlaBackend } from "../index";
import { binary, parameter, printModule } from "../stablehlo";

describe("a device", () => {
  it("is the one that is named, or an error says what may be named", () => {
    expect(openDevice({ XLA_DEVICE: "cpu" }).kind).toBe("cpu");
    expect(() => openDevice({ XLA_DEVICE: "tpu" })).toThrow('XLA_DEVICE is "tpu": it is one of cpu, cuda');
  });

  it("is not replaced silently when it was named and has no plugin", () => {
    const named = process.env.LORY_PJRT_CUDA_PLUGIN;
    process.env.LORY_PJRT_CUDA_PLUGIN = "/nowhere/plugin.so";
    try {
      expect(() => openDevice({ XLA_DEVICE: "cuda" })).toThrow(PluginError);
    } finally {
      if (named === undefined) delete process.env.LORY_PJRT_CUDA_PLUGIN;
      else process.env.LORY_PJRT_CUDA_PLUGIN = named;
    }
  });

  it("refuses buffers of another type or shape than the program's, which PJRT would take", async () => {
    await tf.setBackend("xla");
    const { device } = tf.backend() as XlaBackend;
    const type = { dtype: "f32", shape: [2, 3] } as const;
    const x = parameter(type);
    const program = device.compile(printModule({ name: "twice", parameters: [x], results: [binary("add", x, x)] }));
    const buffer = (data: Float32Array | Int32Array, kind: "f32" | "s32", dims: number[]) =>
      device.client.bufferFromHost(data, kind, dims);
    const [good, ints, flat] = [
      buffer(new Float32Array(6).fill(1), "f32", [2, 3]),
      buffer(new Int32Array(6), "s32", [2, 3]),
      buffer(new Float32Array(6), "f32", [6]),
    ];
    expect(device.execute(program, [type], [good])[0].toHostSync()).toEqual(new Float32Array(6).fill(2));
    for (const args of [[], [good, good]])
      expect(() => device.execute(program, [type], args)).toThrow(
        `${args.length} arguments are given, the program takes 1`,
      );
    expect(() => device.execute(program, [type], [ints])).toThrow(
      "argument 0 is a buffer of s32 [2, 3], the program takes tensor<2x3xf32>",
    );
    expect(() => device.execute(program, [type], [flat])).toThrow(
      "argument 0 is a buffer of f32 [6], the program takes tensor<2x3xf32>",
    );
  });
});
