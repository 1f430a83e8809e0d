import { Bars } from "./bars";
import { formatCount } from "./numbers";

/** How far a stage of some work has come, such as a corpus's build. */
export interface StageProgress {
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly detail: string;
}

/**
 * A callback that draws one bar in place for work that reports its stages:
 *
 *     const corpus = await ensureCorpus("quickstart", { onProgress: stageBar("corpus") });
 */
export function stageBar(label: string): (progress: StageProgress) => void {
  const bars = new Bars();
  let last: string | undefined;
  return ({ stage, done, total, detail }) => {
    const state = {
      label,
      fraction: total > 0 ? done / total : undefined,
      details: `${stage} ${formatCount(done)} / ${formatCount(total)} ${detail}`.trim(),
    };
    // The end of a stage and the first of the next are shown in any case.
    bars.draw([state], state, stage !== last || done === total);
    last = stage;
  };
}
