import fs from "node:fs/promises";
import path from "node:path";
import { checkpointStep, latestCheckpoint, loadCheckpoint, removeUnfinishedCheckpoints } from "./checkpoint";
import { phaseAfter } from "./dense-warmup";
import { describeEnvironment } from "./environment";
import type { StepMetrics } from "./metrics";
import { MetricsLog, readMetrics } from "./metrics-log";
import { freshState, hasL1Coefficient, parameterSpecs } from "./model-objective";
import { finishedSummary, recordSession, type RunFiles, type RunIdentity } from "./run-directory";
import { acquireRunLock, type RunLock } from "./run-lock";
import { Training } from "./training";

/** A training in this process, with what it holds of its run directory. */
export interface Session {
  readonly training: Training;
  /** Every step recorded: all that the training has seen, but for those in flight. */
  readonly metrics: StepMetrics[];
  readonly log: MetricsLog;
  readonly lock: RunLock;
}

/** By lock file: sessions that could not write their last steps, for lack of space as a rule. They can go on. */
const blocked = new Map<string, Session>();

/** The steps of a session that could not write them, which are more than its directory has. */
export function blockedMetrics(files: RunFiles): StepMetrics[] | undefined {
  return blocked.get(files.lock)?.metrics;
}

/**
 * Takes the run directory for this process, and the training as its last checkpoint has it: metrics of later steps are
 * cut off. Without a checkpoint, the training at its beginning.
 *
 * @returns undefined if the run is done
 * @throws an error that names the process which holds the directory, or the file which is damaged
 */
export async function openSession(
  files: RunFiles,
  identity: RunIdentity,
  needsWeights: boolean,
): Promise<Session | undefined> {
  const waiting = blocked.get(files.lock);
  if (waiting) {
    blocked.delete(files.lock);
    return waiting;
  }
  if (await finishedSummary(files, needsWeights)) return undefined;
  await fs.mkdir(path.dirname(files.lock), { recursive: true });
  const lock = await acquireRunLock(files.lock);
  try {
    // Another process may have finished the run while this one waited for nothing.
    if (!(await finishedSummary(files, needsWeights))) return { lock, ...(await restore(files, identity)) };
  } catch (error) {
    await lock.release();
    throw error;
  }
  await lock.release();
  return undefined;
}

/** Gives the directory back. A session whose last steps are nowhere else is kept for the next `openSession`. */
export async function closeSession(files: RunFiles, session: Session): Promise<void> {
  if (session.training.isBlocked) {
    blocked.set(files.lock, session);
    return;
  }
  session.training.dispose();
  await session.log.close();
  await session.lock.release();
}

async function restore(files: RunFiles, identity: RunIdentity): Promise<Omit<Session, "lock">> {
  const { config } = identity;
  await removeUnfinishedCheckpoints(files.checkpoints);
  await fs.rm(files.summary, { force: true }); // of a run whose weights are not here: it is trained again
  const folder = await latestCheckpoint(files.checkpoints);
  const { model } = phaseAfter(config, folder ? checkpointStep(folder) : 0);
  const parts = { l1Coefficient: hasL1Coefficient(model), ema: config.emaDecay > 0 };
  const { state, progress } = folder
    ? await loadCheckpoint(folder, parameterSpecs(model), parts)
    : { state: await freshState({ ...config, model }), progress: { step: 0 } };
  const training = new Training(config, state, progress.step);
  try {
    const metrics = (await readMetrics(files.metrics)).slice(0, progress.step);
    if (metrics.length < progress.step) {
      throw new Error(
        `${files.metrics} ends at step ${metrics.length}, the checkpoint is of step ${progress.step}: ` +
          `delete the run's directory to train it again`,
      );
    }
    await recordSession(files, identity, await describeEnvironment(progress.step));
    return { training, metrics, log: await MetricsLog.open(files.metrics, metrics) };
  } catch (error) {
    training.dispose();
    throw error;
  }
}
