import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { documentOrder, loadBatches, openCorpus, type Corpus, type DocumentOrder, type TrainBatch } from "../data";
import { messageOf } from "../data/corpus-error";
import type { Params } from "../models";
import { loadModel } from "./checkpoint";
import { bestCheckpoint, checkpointName, checkpointStep, checkpointSteps } from "./checkpoint-folders";
import { codeHash } from "./code-hash";
import { phaseAfter } from "./dense-warmup";
import { diagnose } from "./diagnose";
import { firstNotFiniteText, readDivergence, type Divergence } from "./divergence";
import { DivergedError } from "./diverged-error";
import { Evaluator, readEvaluations, type EvaluationMetrics } from "./evaluation";
import { parentOf, resumedIdentity, runDirectory } from "./fork";
import { metricsValues, type StepMetrics } from "./metrics";
import { readMetrics } from "./metrics-log";
import { parameterSpecs, paramsOf } from "./model-objective";
import { appended } from "./row-log";
import { runConfig, tokensPerStep, totalSteps, type RunConfig, type RunConfigInput } from "./run-config";
import { finishedSummary, runFiles, runId, writeSummary } from "./run-directory";
import type { Parent, RunFiles, RunIdentity, RunSummary } from "./run-directory";
import { runOptions, type CheckpointChoice, type OpenRunOptions, type RunOptions } from "./run-options";
import { scheduledEvaluation } from "./scheduled-evaluation";
import { blockedRecords, closeSession, openSession, type Session, type SessionDemands } from "./session";
import type { TrainingSurroundings } from "./training-surroundings";

export interface ParamsOptions {
  /** The last one by default. */
  readonly at?: CheckpointChoice;
  /**
   * The running mean of the parameters instead: with a decay d each step's weights count d times as much as those of the step after it,
   * from the first step on, or from the copy on which ended a dense warm-up.
   */
  readonly ema?: boolean;
}

export type RunStatus = "new" | "partial" | "done";

/**
 * Opens the run of a configuration: its directory is named by the hash of the configuration, the corpus and the code,
 * so that the same training is found again and any other is another run. Nothing is written before `train`, but for an order of
 * documents that takes work and is not kept yet: `documentOrder` makes one beforehand and says how far it is.
 *
 * @throws an error that names what is wrong with the configuration, the corpus or the directory
 */
export async function openRun(input: RunConfigInput, options: OpenRunOptions = {}): Promise<Run> {
  return openRunWith(openCorpus, input, options);
}

/**
 * `openRun` where corpora are opened otherwise, such as once for many runs.
 *
 * @param open as `openCorpus`
 */
export async function openRunWith(
  open: (nameOrFolder: string) => Promise<Corpus>,
  input: RunConfigInput,
  options: OpenRunOptions,
): Promise<Run> {
  const { fork, resume, ...rest } = runOptions(options);
  const config = runConfig(input);
  const corpus = await open(config.corpus);
  if (corpus.vocabSize > config.model.vocabSize) {
    throw new Error(
      `vocabSize is ${config.model.vocabSize}, the tokens of corpus ${corpus.name} go up to ${corpus.vocabSize - 1}: ` +
        `set the model's vocabSize to ${corpus.vocabSize}`,
    );
  }
  const { batching, seed, model } = config;
  if (model.documentMask !== null && model.documentMask !== corpus.endOfDocument) {
    throw new Error(
      `documentMask is ${model.documentMask}, the documents of corpus ${corpus.name} end with token ${corpus.endOfDocument}: ` +
        `set documentMask to ${corpus.endOfDocument}, or to null for attention across documents`,
    );
  }
  const order = await documentOrder(corpus, batching, { seed, contextLength: model.contextLength });
  const own = { config, corpusHash: corpus.hash, codeHash: await codeHash(), orderHash: order.hash };
  const parent = fork && (await parentOf(runDirectory(fork.run, rest.runsDir), fork.at, config));
  let dir: string | undefined;
  let identity: RunIdentity = parent ? { ...own, parent } : own;
  if (resume !== undefined) {
    dir = runDirectory(resume, rest.runsDir);
    identity = await resumedIdentity(dir, own);
  }
  const run = new Run(identity, corpus, order, rest, dir);
  await run.refresh();
  return run;
}

/** A training and its directory. Made by `openRun`. */
export class Run {
  readonly config: RunConfig;
  /** The configured name and 8 digits of the hash. */
  readonly id: string;
  readonly dir: string;
  readonly corpus: Corpus;
  /** In which the training documents are taken. */
  readonly order: DocumentOrder;
  readonly #identity: RunIdentity;
  readonly #files: RunFiles;
  readonly #checkpointEvery: RunOptions["checkpointEvery"];
  readonly #demands: SessionDemands;
  #metrics: StepMetrics[] = [];
  #evaluations: EvaluationMetrics[] = [];
  #summary: RunSummary | undefined;
  #divergence: Divergence | undefined;

  constructor(
    identity: RunIdentity,
    corpus: Corpus,
    order: DocumentOrder,
    options: Omit<RunOptions, "fork" | "resume">,
    dir = path.join(options.runsDir, runId(identity)),
  ) {
    const { checkpointEvery, needsWeights, keep, tensorBoard } = options;
    this.config = identity.config;
    this.id = runId(identity);
    this.dir = dir;
    this.corpus = corpus;
    this.order = order;
    this.#identity = identity;
    this.#files = runFiles(this.dir);
    this.#checkpointEvery = checkpointEvery;
    this.#demands = { needsWeights, keep, tensorBoard };
  }

  /** Where a fork began: the run's name and hash, and the step. */
  get parent(): Pick<Parent, "id" | "hash" | "step"> | undefined {
    return this.#identity.parent;
  }

  get status(): RunStatus {
    return this.#summary ? "done" : this.#metrics.length > 0 ? "partial" : "new";
  }

  /** The steps recorded so far. */
  get metrics(): readonly StepMetrics[] {
    return this.#metrics;
  }

  /** What evaluations found so far, in order; none for a run without a schedule for them. They are not part of the steps' speed. */
  get evaluations(): readonly EvaluationMetrics[] {
    return this.#evaluations;
  }

  /** Of a run whose training ended because its numbers were not finite. It is not trained again: fork it, or delete `diverged.json`. */
  get divergence(): Divergence | undefined {
    return this.#divergence;
  }

  /** Of a run that is done. */
  get summary(): RunSummary | undefined {
    return this.#summary;
  }

  /** Reads again what the directory holds, such as the steps that another process has trained since. */
  async refresh(): Promise<void> {
    this.#summary = await finishedSummary(this.#files, this.#demands.needsWeights);
    this.#divergence = await readDivergence(this.dir);
    const inMemory = blockedRecords(this.#files);
    this.#metrics = inMemory?.metrics ?? (await readMetrics(this.#files.metrics));
    this.#evaluations = inMemory?.evaluations ?? (await readEvaluations(this.#files.evaluations));
  }

  /**
   * Yields the metrics of every step: those recorded at once, the rest as they are trained. A run that is done trains
   * nothing; a partial one goes on from its last checkpoint, with the same numbers as if it had never stopped.
   *
   * When the signal is aborted, or the loop over the metrics is left, the steps that the device has been given (two at
   * most) are finished and a checkpoint is written.
   *
   * When the disk is full, training goes on without checkpoints, and the console says so.
   *
   * @throws DivergedError; an error that names the process which trains this run already; an error that says what to do
   *   when the disk is full at the end: the trained state stays in memory then, and the next call goes on with it
   */
  async *train({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<StepMetrics, void, undefined> {
    await tf.ready();
    this.#divergence = await readDivergence(this.dir);
    if (this.#divergence) throw this.#diverged(this.#divergence);
    const session = await openSession(this.#files, this.#identity, this.#demands);
    if (!session) {
      await this.refresh();
      yield* [...this.#metrics];
      return;
    }
    this.#metrics = session.metrics;
    this.#evaluations = session.evaluations;
    const batches = this.#batches(session.training.steps);
    const evaluator = this.config.evaluation && new Evaluator(this.config, this.corpus);
    try {
      yield* [...session.metrics];
      const surroundings = this.#surroundings(session, batches);
      const evaluation = evaluator && scheduledEvaluation(this.config, evaluator, session);
      yield* session.training.advance(evaluation ? { ...surroundings, evaluation } : surroundings, signal);
      if (session.training.steps === totalSteps(this.config)) await this.#complete();
    } catch (error) {
      throw error instanceof DivergedError ? await this.#diagnosed(error, session, signal) : error;
    } finally {
      await batches.return();
      evaluator?.dispose();
      await closeSession(this.#files, session);
      this.corpus.close();
    }
  }

  /** The steps of which there are checkpoints, the newest first. */
  async checkpoints(): Promise<number[]> {
    return checkpointSteps(this.#files.checkpoints);
  }

  /**
   * The parameters of a checkpoint; the caller disposes them. Those of a dense model while a dense warm-up lasts.
   *
   * @throws an error if there is no such checkpoint, if it is damaged, or if the run keeps no running mean
   */
  async params({ at = "last", ema = false }: ParamsOptions = {}): Promise<Params> {
    if (ema && this.config.emaDecay === 0)
      throw new Error(
        `run ${this.id} keeps no running mean of its weights (emaDecay is 0): set emaDecay, such as 0.999`,
      );
    const folder = await this.#checkpoint(at);
    const specs = parameterSpecs(phaseAfter(this.config, checkpointStep(folder)).model);
    return paramsOf(specs, await loadModel(folder, specs, ema));
  }

  async #checkpoint(at: CheckpointChoice): Promise<string> {
    const root = this.#files.checkpoints;
    const steps = await checkpointSteps(root);
    if (steps.length === 0) {
      throw new Error(
        this.status === "done"
          ? `${this.dir} holds no weights, only what was recorded: delete it and train again to have them`
          : `run ${this.id} has no parameters yet: train it first`,
      );
    }
    const step = at === "last" ? steps[0] : at === "best" ? bestCheckpoint(steps, this.#evaluations) : at;
    if (step === undefined)
      throw new Error(`run ${this.id} was not evaluated, so that no checkpoint is the best: set evaluation`);
    if (!steps.includes(step)) {
      throw new Error(`run ${this.id} has no checkpoint of step ${step}: there are those of ${steps.join(", ")}`);
    }
    return path.join(root, checkpointName(step));
  }

  /** The error with what is found out about it; the session's training ends with that. */
  async #diagnosed(error: DivergedError, { training, writer, metrics }: Session, signal?: AbortSignal): Promise<Error> {
    await writer.settled();
    training.dispose(); // the device may have no room for two
    try {
      const batchesFrom = (step: number) => this.#batches(step);
      const sources = { dir: this.dir, files: this.#files, config: this.config, metrics, batchesFrom };
      this.#divergence = await diagnose(sources, error, signal);
      return this.#diverged(this.#divergence);
    } catch (failure) {
      console.warn(`Where the training diverged was not found out: ${messageOf(failure)}`);
      return error;
    }
  }

  #diverged(divergence: Divergence): DivergedError {
    const found = `${firstNotFiniteText(divergence)} (diverged.json in ${this.dir} has more, and the batch); `;
    return new DivergedError(divergence, this.config.optimizer.learningRate, found);
  }

  #batches(startStep: number): AsyncGenerator<TrainBatch, void, undefined> {
    const { batchSize, model, seed } = this.config;
    const { contextLength } = model;
    return loadBatches(this.corpus, { batchSize, contextLength, seed, startStep, order: this.order });
  }

  #surroundings(
    { writer, log, events, metrics }: Session,
    batches: AsyncIterator<TrainBatch, void>,
  ): TrainingSurroundings {
    const { steps: everySteps, ms: everyMs } = this.#checkpointEvery;
    return {
      batches,
      record: async (step) => {
        metrics.push(step);
        await Promise.all([appended(log, step), events && appended(events, [["step", metricsValues(step)]])]);
      },
      save: (state, step) => writer.begin(state, step),
      isSaveDue: (steps, ms) => (steps >= everySteps || ms >= everyMs) && !writer.isBusy,
      complete: (state, step) => writer.complete(state, step),
      failedSaves: () => writer.failures,
      recorded: () => metrics,
    };
  }

  async #complete(): Promise<void> {
    const metrics = this.#metrics;
    const last = metrics.slice(-Math.ceil(metrics.length / 10));
    const speeds = metrics.flatMap(({ tokensPerSecond }) => tokensPerSecond ?? []).sort((a, b) => a - b);
    this.#summary = {
      id: this.id,
      steps: metrics.length,
      tokens: metrics.length * tokensPerStep(this.config),
      lossNats: last.reduce((sum, { lossNats }) => sum + lossNats, 0) / last.length,
      tokensPerSecond: speeds[Math.floor(speeds.length / 2)] ?? null,
      finishedAt: new Date().toISOString(),
    };
    await writeSummary(this.#files, this.#summary);
  }
}
