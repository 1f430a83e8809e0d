import fs from "node:fs/promises";
import path from "node:path";
import { describe, expect } from "vitest";
import { perplexityByDomain } from "../eval";
import { openRun } from "./run";
import { TINY_VOCABULARY } from "./testing/tiny-corpus";
import { it } from "./testing/run-test";
import { numbersOf, trainUntil } from "./testing/tiny-run";

const END = TINY_VOCABULARY - 1;

describe("a run whose attention stays within documents", () => {
  it("is another one than without, goes on as if it had never stopped, and is evaluated so", async ({
    config,
    options,
    whole,
  }) => {
    const evaluation = { everyTokens: 96, windows: 4 };
    const input = { ...config, evaluation, model: { ...config.model, documentMask: END } };
    const apart = await openRun(input, options);
    const metrics = await trainUntil(apart);
    expect(apart.id).not.toBe(whole.id);
    // The tiny corpus's documents are longer than its instances: many of these lie in one, and some do not.
    const differs = metrics.map(({ lossNats }, i) => lossNats !== whole.metrics[i].lossNats);
    expect(differs).toContain(true);
    const json = JSON.parse(await fs.readFile(path.join(apart.dir, "config.json"), "utf8")) as { model: object };
    expect(json.model).toMatchObject({ document_mask_token_id: END });

    const stopped = { runsDir: `${options.runsDir}-stopped` };
    await trainUntil(await openRun(input, stopped), 5);
    const resumed = await openRun(input, stopped);
    expect(numbersOf(await trainUntil(resumed))).toEqual(numbersOf(metrics));
    expect(resumed.evaluations.map((each) => each.domains)).toEqual(apart.evaluations.map((each) => each.domains));
    const params = await apart.params();
    const [last] = await perplexityByDomain(params, apart.config.model, apart.corpus, { maxWindows: 4 });
    const across = { ...apart.config.model, documentMask: null };
    const [unmasked] = await perplexityByDomain(params, across, apart.corpus, { maxWindows: 4 });
    expect(apart.evaluations.at(-1)!.domains[last.domain].lossNats).toBeCloseTo(last.lossNats, 5);
    expect(Math.abs(unmasked.lossNats - last.lossNats)).toBeGreaterThan(1e-4);
  });

  it("is refused where the corpus's documents end otherwise", async ({ config, options }) => {
    const masked = (documentMask: number) => openRun({ ...config, model: { ...config.model, documentMask } }, options);
    await expect(masked(2)).rejects.toThrow(/documentMask is 2, the documents of corpus .* end with token 31: set/);
    await expect(masked(32)).rejects.toThrow("documentMask is 32, vocabSize 32: the token that ends a document is one");
  });
});
