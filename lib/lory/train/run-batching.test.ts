import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect } from "vitest";
import { encodeNpy } from "../data/npy";
import { configFromJson, configJson } from "./config-json";
import { openRun } from "./run";
import { runConfig } from "./run-config";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

describe("a run's batching", () => {
  it("is part of its identity, and goes on after a stop as if there had been none", async ({
    config,
    laboratory: { runsDir },
  }) => {
    const random = await openRun(config, { runsDir });
    const whole = await openRun({ ...config, batching: "similarity" }, { runsDir: path.join(runsDir, "whole") });
    const parts = await openRun({ ...config, batching: "similarity" }, { runsDir });
    expect(parts.id).toBe(whole.id);
    expect(parts.id).not.toBe(random.id);
    const expected = await trainUntil(whole);
    await trainUntil(parts, 5);
    expect(numbersOf(await trainUntil(parts))).toEqual(numbersOf(expected));
    const { batchSize } = config;
    for (const { domainTokens, dataWaitMs } of parts.metrics) {
      expect(domainTokens!.reduce((sum, tokens) => sum + tokens, 0)).toBe(batchSize * 8);
      expect(dataWaitMs).toBeGreaterThanOrEqual(0);
    }
    const { orderHash } = JSON.parse(await fs.readFile(path.join(parts.dir, "env.json"), "utf8")) as {
      orderHash: string;
    };
    expect(orderHash).toBe(parts.order.hash);
  });

  it("follows an order given as a file: another order is another run", async ({ config, laboratory: { runsDir } }) => {
    const file = path.join(runsDir, "..", "given.npy");
    const { corpus } = await openRun(config, { runsDir });
    const ascending = Uint32Array.from({ length: corpus.train.documents }, (_, i) => i);
    const ids: string[] = [];
    for (const order of [ascending, ascending.slice().reverse()]) {
      await fs.writeFile(file, encodeNpy(order));
      ids.push((await openRun({ ...config, batching: { order: "file", file } }, { runsDir })).id);
    }
    expect(ids[0]).not.toBe(ids[1]);
  });

  it("is written out whole, and read again from there", ({ config: given }) => {
    const config = runConfig({ ...given, batching: { order: "released", embedding: "energetic" } });
    const text = configJson(config);
    expect(JSON.parse(text)).toMatchObject({
      batching: {
        order: "released",
        neighbours: 20,
        path_length: 21,
        embedding: { encoder: "energetic", chunk_characters: 500, max_chunks: 1 },
      },
    });
    expect(runConfig(configFromJson(JSON.parse(text)))).toEqual(config);
    expect(runConfig(configFromJson({ ...given, batching: "bm25" })).batching.order).toBe("bm25");
    expect(() => runConfig({ ...given, batching: { order: "bm25", ...{ buffer: 2 } } })).toThrow(
      'batching bm25 has no key "buffer"',
    );
  });
});
