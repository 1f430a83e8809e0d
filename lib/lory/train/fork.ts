import fs from "node:fs/promises";
import path from "node:path";
import { bestCheckpoint, checkpointName, checkpointSteps, UNFINISHED_PREFIX } from "./checkpoint-folders";
import { configDifferences, differencesText, identityDifferences } from "./config-diff";
import { phaseAfter } from "./dense-warmup";
import { flushFolder, writeFlushed } from "./durable-file";
import { evaluationLine, readEvaluations } from "./evaluation";
import { metricsLine } from "./metrics";
import { readMetrics } from "./metrics-log";
import { totalSteps, type RunConfig } from "./run-config";
import { readRecord, runFiles, type Parent, type RunFiles, type RunIdentity } from "./run-directory";
import type { CheckpointChoice } from "./run-options";

/** A run's directory: one given by its path, or by its name under `runsDir`. */
export function runDirectory(nameOrDir: string, runsDir: string): string {
  return /^[\w.-]+$/.test(nameOrDir) ? path.join(runsDir, nameOrDir) : path.resolve(nameOrDir);
}

/**
 * The run and step that a run with this configuration is to begin from.
 *
 * @throws an error if there is no such run or checkpoint, or if the state that it left is none of this configuration, which names the key
 */
export async function parentOf(dir: string, at: CheckpointChoice, config: RunConfig): Promise<Parent> {
  const files = runFiles(dir);
  const record = await readRecord(files);
  const steps = await checkpointSteps(files.checkpoints);
  const step =
    at === "last" ? steps.at(0) : at === "best" ? bestCheckpoint(steps, await readEvaluations(files.evaluations)) : at;
  if (step === undefined || !steps.includes(step)) {
    const there = steps.length > 0 ? `there are those of steps ${steps.join(", ")}` : "it has none";
    throw new Error(`run ${path.basename(dir)} has no checkpoint to fork (${at}): ${there}`);
  }
  refuseOtherState(record.config, config, step, path.basename(dir));
  return { id: path.basename(dir), hash: record.hash, step, dir };
}

/** Refuses a configuration whose training cannot begin with the state that the other left after so many steps. */
function refuseOtherState(parent: RunConfig, config: RunConfig, step: number, id: string): void {
  const fixed = configDifferences(parent, config).filter(({ key }) => key.startsWith("model.") || key === "batch_size");
  if (fixed.length > 0) {
    throw new Error(`a fork keeps the model and the batch size: ${differencesText(fixed, `run ${id}`)}`);
  }
  if (phaseAfter(parent, step).name !== phaseAfter(config, step).name) {
    throw new Error(`dense_warmup differs from that of run ${id} so that its step ${step} trains another model here`);
  }
  if (config.emaDecay > 0 && parent.emaDecay === 0) {
    throw new Error(
      `ema_decay is ${config.emaDecay}, run ${id} kept no running mean of its weights: a fork of it cannot either`,
    );
  }
  if (step >= totalSteps(config)) {
    throw new Error(
      `train_tokens is ${config.trainTokens}: that is ${totalSteps(config)} steps, and the fork of run ${id} begins after ${step}`,
    );
  }
}

/** Fills the directory of a fork that has no checkpoint yet: with its parent's, and with what was recorded up to it. */
export async function beginFork(files: RunFiles, { dir, step }: Parent): Promise<void> {
  if ((await checkpointSteps(files.checkpoints)).length > 0) return;
  const parent = runFiles(dir);
  const metrics = (await readMetrics(parent.metrics)).slice(0, step);
  const evaluations = (await readEvaluations(parent.evaluations)).filter((each) => each.step <= step);
  await writeFlushed(files.metrics, metrics.map(metricsLine).join(""));
  if (evaluations.length > 0) await writeFlushed(files.evaluations, evaluations.map(evaluationLine).join(""));
  const name = checkpointName(step);
  const temporary = path.join(files.checkpoints, `${UNFINISHED_PREFIX}${name}-${process.pid}`);
  await fs.cp(path.join(parent.checkpoints, name), temporary, { recursive: true });
  await fs.rename(temporary, path.join(files.checkpoints, name));
  await flushFolder(files.checkpoints);
}

/**
 * The identity of a run that is to be gone on with.
 *
 * @param own of the configuration, corpus and code that are here
 * @throws an error that names each key by which the configuration differs, or says that the corpus or the code does
 */
export async function resumedIdentity(dir: string, own: RunIdentity): Promise<RunIdentity> {
  const id = path.basename(dir);
  const record = await readRecord(runFiles(dir));
  const reasons = identityDifferences(record, own, `run ${id}`);
  if (reasons.length > 0) {
    throw new Error(
      `run ${id} cannot be gone on with: ${reasons.join("; ")}. To train on from it all the same, fork it`,
    );
  }
  const { parent } = record;
  return parent === undefined ? own : { ...own, parent: { ...parent, dir: path.join(path.dirname(dir), parent.id) } };
}
