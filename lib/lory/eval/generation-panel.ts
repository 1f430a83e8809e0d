import fs from "node:fs";
import path from "node:path";
import { resultsFolder } from "../data/project-folder";
import type { GenerationMeasures } from "./measure-generation";

/** One seed of a panel. */
export interface PanelSeed extends GenerationMeasures {
  readonly seed: number;
  readonly runs: { readonly dense: string; readonly experts: string };
  /** Mean training losses over the last tenth of the steps. */
  readonly trainingLossNats: { readonly dense: number; readonly experts: number };
}

/** The same measures of models that were trained from several seeds, where their checkpoints are; what travels is this. */
export interface GenerationPanel {
  readonly device: string;
  readonly backend: string;
  readonly corpus: string;
  readonly corpusHash: string;
  readonly measured: readonly PanelSeed[];
}

/** Where a panel is recorded: `generation/panel.json` in the results. */
export function generationPanelFile(): string {
  return path.join(resultsFolder(), "generation", "panel.json");
}

/** The panel that is recorded here; undefined if there is none. */
export function generationPanel(file = generationPanelFile()): GenerationPanel | undefined {
  return fs.existsSync(file) ? (JSON.parse(fs.readFileSync(file, "utf8")) as GenerationPanel) : undefined;
}

/** What a panel's figures show: means over seeds, and of the gap each seed's own mean over domains. */
export function panelMeans({
  measured,
}: Pick<GenerationPanel, "measured">): Pick<GenerationMeasures, "gaps" | "drifts" | "sparse" | "denseSize"> {
  const [first] = measured;
  const overSeeds = (of: (seed: PanelSeed) => number): number => meanOf(measured.map(of));
  const curve = (length: number, of: (seed: PanelSeed, at: number) => number): number[] =>
    Array.from({ length }, (_, at) => overSeeds((seed) => of(seed, at)));
  return {
    gaps: measured.map(({ seed, gaps }) => ({
      name: `seed ${seed}`,
      values: gaps[0].values.map((_, segment) => meanOf(gaps.map(({ values }) => values[segment]))),
    })),
    drifts: first.drifts.map((drift, kind) => ({
      ...drift,
      fromPrompt: curve(drift.fromPrompt.length, ({ drifts }, at) => drifts[kind].fromPrompt[at]),
      fromBefore: curve(drift.fromBefore.length, ({ drifts }, at) => drifts[kind].fromBefore[at]),
    })),
    sparse: first.sparse.map((point, i) => ({ ...point, lossNats: overSeeds(({ sparse }) => sparse[i].lossNats) })),
    denseSize: { ...first.denseSize, lossNats: overSeeds(({ denseSize }) => denseSize.lossNats) },
  };
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
