import type { Corpus } from "../data";
import { heldOutLosses, type DomainPerplexity, type HeldOutLosses } from "../eval";
import type { ModelConfig, Params } from "../models";
import { readRows, RowLog } from "./row-log";
import { tokensPerStep, totalSteps, type RunConfig } from "./run-config";

/** Losses on text of one domain that is not trained on, in nats a token. */
export type DomainLosses = Pick<DomainPerplexity, "lossNats" | "firstSegmentLossNats" | "restLossNats">;

/** What an evaluation while training found. */
export interface EvaluationMetrics {
  /** Steps trained before it. */
  readonly step: number;
  readonly tokens: number;
  /** Mean over domains, each counting the same: the lowest one makes the best checkpoint. */
  readonly lossNats: number;
  readonly domains: Readonly<Record<string, DomainLosses>>;
}

/** The fields of a domain, as they are named after `eval/<domain>/`. */
const DOMAIN_METRICS = {
  lossNats: "CE loss",
  firstSegmentLossNats: "first segment CE loss",
  restLossNats: "later segments CE loss",
} as const satisfies Record<keyof DomainLosses, string>;

const DOMAIN_FIELDS = Object.keys(DOMAIN_METRICS) as (keyof DomainLosses)[];
const STEP = "step";
const TOKENS = "throughput/total tokens";
const MEAN = "eval/CE loss";

/** An evaluation by the names that its numbers have in files. */
export function evaluationValues({ step, tokens, lossNats, domains }: EvaluationMetrics): Record<string, unknown> {
  const ofDomains = Object.entries(domains).flatMap(([domain, losses]) =>
    DOMAIN_FIELDS.map((field): [string, number | null] => [`eval/${domain}/${DOMAIN_METRICS[field]}`, losses[field]]),
  );
  return { [STEP]: step, [TOKENS]: tokens, [MEAN]: lossNats, ...Object.fromEntries(ofDomains) };
}

/** An evaluation as one line of JSON, with the line's end. */
export function evaluationLine(evaluation: EvaluationMetrics): string {
  return `${JSON.stringify(evaluationValues(evaluation))}\n`;
}

/** @throws if the line is not what `evaluationLine` writes */
export function parseEvaluationLine(line: string): EvaluationMetrics {
  const values = JSON.parse(line) as Record<string, unknown>;
  const number = (key: string): number => {
    const value = values[key];
    // JSON has no other word for a loss that is not a number.
    if (value === null) return NaN;
    if (typeof value !== "number") throw new Error(`"${key}" is ${JSON.stringify(value)}`);
    return value;
  };
  const names = Object.keys(values).flatMap((key) => /^eval\/(.+)\/CE loss$/.exec(key)?.[1] ?? []);
  const domains = names.map((domain): [string, DomainLosses] => {
    const key = (field: keyof DomainLosses): string => `eval/${domain}/${DOMAIN_METRICS[field]}`;
    return [
      domain,
      {
        lossNats: number(key("lossNats")),
        firstSegmentLossNats: number(key("firstSegmentLossNats")),
        restLossNats: values[key("restLossNats")] === null ? null : number(key("restLossNats")),
      },
    ];
  });
  const [step, tokens, lossNats] = [STEP, TOKENS, MEAN].map(number);
  return { step, tokens, lossNats, domains: Object.fromEntries(domains) };
}

/** The evaluations in an `evaluations.jsonl`, in the order of their steps. */
export async function readEvaluations(file: string): Promise<EvaluationMetrics[]> {
  let last = 0;
  return readRows(file, (line) => {
    const metrics = parseEvaluationLine(line);
    if (metrics.step <= last) throw new Error(`it is of step ${metrics.step}, the line before of ${last}`);
    last = metrics.step;
    return metrics;
  });
}

/** Opens an `evaluations.jsonl` so that it holds `kept`: a beginning of what `readEvaluations` read from it. */
export async function openEvaluationLog(
  file: string,
  kept: readonly EvaluationMetrics[],
): Promise<RowLog<EvaluationMetrics>> {
  return RowLog.open(file, kept, evaluationLine);
}

/** Whether a run is evaluated after so many steps. */
export function isEvaluationStep(config: RunConfig, step: number): boolean {
  if (config.evaluation === null || step === 0) return false;
  const passed = (steps: number): number =>
    Math.floor((steps * tokensPerStep(config)) / config.evaluation!.everyTokens);
  return step === totalSteps(config) || passed(step) > passed(step - 1);
}

/** Evaluates the model of a run: what that needs is on the device and compiled before. */
export class Evaluator {
  readonly #config: RunConfig;
  readonly #corpus: Corpus;
  /** Of the model that is trained: a dense warm-up has another one. */
  #current: { readonly numExperts: number; readonly losses: HeldOutLosses } | undefined;

  constructor(config: RunConfig, corpus: Corpus) {
    this.#config = config;
    this.#corpus = corpus;
  }

  /**
   * Cuts the windows and compiles.
   *
   * @throws CorpusError for a domain with less text than a window
   */
  async prepare(params: Params, model: ModelConfig): Promise<void> {
    await this.#lossesOf(model).prepare(params);
  }

  /** The losses of a model after so many steps; undefined if the signal was aborted before they were known. */
  async evaluate(
    params: Params,
    model: ModelConfig,
    step: number,
    signal?: AbortSignal,
  ): Promise<EvaluationMetrics | undefined> {
    const results = await this.#lossesOf(model)
      .byDomain(params, signal)
      .catch((error: unknown) => {
        if (signal?.aborted) return undefined;
        throw error;
      });
    if (results === undefined) return undefined;
    const domains = results.map(({ domain, lossNats, firstSegmentLossNats, restLossNats }): [string, DomainLosses] => [
      domain,
      { lossNats, firstSegmentLossNats, restLossNats },
    ]);
    return {
      step,
      tokens: step * tokensPerStep(this.#config),
      lossNats: results.reduce((sum, { lossNats }) => sum + lossNats, 0) / results.length,
      domains: Object.fromEntries(domains),
    };
  }

  dispose(): void {
    this.#current?.losses.dispose();
    this.#current = undefined;
  }

  #lossesOf(model: ModelConfig): HeldOutLosses {
    if (this.#current?.numExperts === model.numExperts) return this.#current.losses;
    this.dispose();
    const { batchSize, accumulation, evaluation } = this.#config;
    const losses = heldOutLosses(model, this.#corpus, {
      // What a step of training has room for, this has too.
      batchSize: Math.min(batchSize / accumulation, 8),
      maxWindows: evaluation!.windows,
      // Checkpoints are chosen by it: the text for tests stays unseen where there is other text for that.
      split: this.#corpus.validation.documents > 0 ? "validation" : "heldOut",
    });
    this.#current = { numExperts: model.numExperts, losses };
    return losses;
  }
}
