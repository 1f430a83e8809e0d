import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { StepMetrics } from "../metrics";
import type { Run } from "../run";
import type { RunConfigInput } from "../run-config";
import { TINY_VOCABULARY, writeTinyCorpus } from "./tiny-corpus";

/** A folder with a corpus and a place for runs, and a configuration that trains in a moment. */
export interface TinyLaboratory {
  readonly runsDir: string;
  /** Twelve steps of 2 x 8 tokens. */
  readonly config: RunConfigInput;
  remove(): Promise<void>;
}

export async function tinyLaboratory(): Promise<TinyLaboratory> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "tiny-run-"));
  const corpus = path.join(folder, "corpus");
  await writeTinyCorpus(corpus);
  return {
    runsDir: path.join(folder, "runs"),
    config: {
      name: "tiny",
      model: {
        vocabSize: TINY_VOCABULARY,
        contextLength: 8,
        dModel: 8,
        dFfn: 8,
        numLayers: 2,
        numHeads: 2,
        numExperts: 2,
        segmentLength: 4,
        initStd: 0.2,
      },
      corpus,
      seed: 3,
      batchSize: 2,
      trainTokens: 12 * 16,
      optimizer: { learningRate: 3e-2 },
    },
    remove: () => fs.rm(folder, { recursive: true }),
  };
}

/** Trains until a step, then stops as the stop button does; all steps without one. */
export async function trainUntil(run: Run, step = Infinity): Promise<StepMetrics[]> {
  const control = new AbortController();
  const seen: StepMetrics[] = [];
  for await (const metrics of run.train({ signal: control.signal })) {
    seen.push(metrics);
    if (metrics.step === step) control.abort();
  }
  return seen;
}

/** What of a step does not depend on the clock. */
export function numbersOf(metrics: readonly StepMetrics[]): Omit<StepMetrics, "tokensPerSecond" | "secondsLeft">[] {
  return metrics.map(({ step, tokens, epoch, lossNats, learningRate, gradNorm }) => {
    return { step, tokens, epoch, lossNats, learningRate, gradNorm };
  });
}
