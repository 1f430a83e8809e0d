import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import type { XlaBackend } from "tfjs-backend-xla";
import { describe, expect, it, vi } from "vitest";
import { describeEnvironment } from "./environment";

/** Where the set-up puts the engine's native code for this machine. */
const kernels = path.resolve(
  __dirname,
  `../../tfjs-backend-xla/dist/cpu/kernels-${process.platform}-${process.arch}.so`,
);

describe("the record of where a training ran", () => {
  it("says by which native code products are computed, or why by none", async () => {
    vi.stubEnv("XLA_DEVICE", "cpu");
    await tf.setBackend("xla");
    const { products } = await describeEnvironment(0, false);
    const { device } = tf.backend() as XlaBackend;
    expect(products).toEqual(
      device.hasProducts
        ? { hash: createHash("sha256").update(readFileSync(kernels)).digest("hex") }
        : { missing: expect.stringMatching(/./) as string },
    );
  });

  it("names no products of backends that have none", async () => {
    await tf.setBackend("cpu");
    expect((await describeEnvironment(0, false)).products).toBeNull();
  });
});
