import fs from "node:fs/promises";
import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { describe, expect } from "vitest";
import { paramsToList } from "../models";
import { openRun } from "./run";
import { expectSame } from "./testing/same-run";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

const ON_XLA = (process.env.LORY_TEST_BACKEND ?? "xla") === "xla";

describe("a run in bf16", () => {
  it.runIf(ON_XLA)(
    "is near the run in f32, and not equal; its parameters are f32",
    async ({ config, options, whole }) => {
      const run = await openRun({ ...config, precision: "bf16" }, options);
      await trainUntil(run);
      expect(JSON.parse(await fs.readFile(path.join(run.dir, "config.json"), "utf8"))).toMatchObject({
        precision: "bf16",
      });
      const [rounded, exact] = [run.metrics, whole.metrics].map((metrics) => metrics.map(({ lossNats }) => lossNats));
      rounded.forEach((loss, i) => expect(Math.abs(loss - exact[i])).toBeLessThan(0.02));
      expect(rounded).not.toEqual(exact);
      const params = await run.params();
      for (const { tensor } of paramsToList(params)) {
        const values = (await tensor.data()) as Float32Array;
        const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
        if (values.length > 8) expect(bits.some((word) => (word & 0xffff) !== 0)).toBe(true); // more than bf16 holds
      }
      tf.dispose(params);
    },
  );

  it("goes on where it stopped, bit for bit", async ({ config, options }) => {
    const bf16 = { ...config, precision: "bf16" } as const;
    const reference = await openRun(bf16, { runsDir: path.join(options.runsDir!, "reference") });
    await trainUntil(reference);
    await trainUntil(await openRun(bf16, options), 5);
    const run = await openRun(bf16, options);
    expect(run.status).toBe("partial");
    expect(numbersOf(await trainUntil(run))).toEqual(numbersOf(reference.metrics));
    await expectSame(run, reference);
  });

  it("does not go on with a run in f32, not even in its directory", async ({ config, options }) => {
    const plain = await openRun(config, options);
    await trainUntil(plain, 3);
    const run = await openRun({ ...config, precision: "bf16" }, options);
    expect([run.status, run.id === plain.id]).toEqual(["new", false]);
    await fs.rename(plain.dir, run.dir);
    await expect(trainUntil(await openRun({ ...config, precision: "bf16" }, options))).rejects.toThrow(
      "holds another run",
    );
  });
});
