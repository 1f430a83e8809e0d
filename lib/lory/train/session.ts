import fs from "node:fs/promises";
import path from "node:path";
import { removeUnfinishedCheckpoints, type KeptCheckpoints } from "./checkpoint-folders";
import { CheckpointWriter } from "./checkpoint-writer";
import { removeUnfinishedFiles } from "./durable-file";
import { describeEnvironment } from "./environment";
import { evaluationValues, openEvaluationLog, readEvaluations, type EvaluationMetrics } from "./evaluation";
import { EventLog, inOrder } from "./event-log";
import { beginFork } from "./fork";
import { metricsValues, type StepMetrics } from "./metrics";
import { openMetricsLog, readMetrics } from "./metrics-log";
import type { RowLog } from "./row-log";
import { stateToGoOnFrom } from "./restore-state";
import { tokensPerStep } from "./run-config";
import { finishedSummary, recordSession, type RunFiles, type RunIdentity } from "./run-directory";
import { acquireRunLock, type RunLock } from "./run-lock";
import { Training } from "./training";

/** A training in this process, with what it holds of its run directory. */
export interface Session {
  readonly training: Training;
  readonly writer: CheckpointWriter;
  /** In order. */
  readonly evaluations: EvaluationMetrics[];
  /** Of runs that are evaluated. */
  readonly evaluationLog?: RowLog<EvaluationMetrics>;
  /** Every step recorded: all that the training has seen, but for those in flight. */
  readonly metrics: StepMetrics[];
  readonly log: RowLog<StepMetrics>;
  /** What is recorded, for TensorBoard. */
  readonly events?: EventLog;
  readonly lock: RunLock;
}

/** What a session asks of its directory. */
export interface SessionDemands {
  /** Whether a run without its weights has to be trained again. */
  readonly needsWeights: boolean;
  readonly keep: KeptCheckpoints;
  /** Whether an event file is written. */
  readonly tensorBoard: boolean;
}

/** By lock file: sessions that could not write their last steps, for lack of space as a rule. They can go on. */
const blocked = new Map<string, Session>();

/** What a session recorded that could not write it, which is more than its directory has. */
export function blockedRecords(files: RunFiles): Pick<Session, "metrics" | "evaluations"> | undefined {
  return blocked.get(files.lock);
}

/**
 * Takes the run directory for this process, and the training as its last checkpoint has it: metrics of later steps are
 * cut off. A checkpoint that is damaged is named on the console, and the one before it taken. Without a checkpoint, the training at its
 * beginning.
 *
 * @returns undefined if the run is done
 * @throws an error that names the process which holds the directory, or the file which is damaged
 */
export async function openSession(
  files: RunFiles,
  identity: RunIdentity,
  demands: SessionDemands,
): Promise<Session | undefined> {
  const { needsWeights } = demands;
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
    if (!(await finishedSummary(files, needsWeights))) return { lock, ...(await restore(files, identity, demands)) };
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
  await session.writer.settled();
  session.training.dispose();
  await session.log.close();
  await session.evaluationLog?.close();
  await session.events?.close();
  await session.lock.release();
}

async function restore(
  files: RunFiles,
  identity: RunIdentity,
  { keep, tensorBoard }: SessionDemands,
): Promise<Omit<Session, "lock">> {
  const { config } = identity;
  await removeUnfinishedFiles(path.dirname(files.lock));
  await removeUnfinishedCheckpoints(files.checkpoints);
  await fs.rm(files.summary, { force: true }); // of a run whose weights are not here: it is trained again
  if (identity.parent) await beginFork(files, identity.parent);
  const { state, step } = await stateToGoOnFrom(files, config);
  const training = new Training(config, state, step);
  try {
    const metrics = (await readMetrics(files.metrics)).slice(0, step);
    if (metrics.length < step) {
      throw new Error(
        `${files.metrics} ends at step ${metrics.length}, the checkpoint is of step ${step}: ` +
          `delete the run's directory to train it again`,
      );
    }
    const startedAt = await recordSession(files, identity, await describeEnvironment(step, config.deterministic));
    const log = await openMetricsLog(files.metrics, metrics);
    const evaluations = (await readEvaluations(files.evaluations)).filter((each) => each.step <= step);
    const evaluationLog = config.evaluation && (await openEvaluationLog(files.evaluations, evaluations));
    const recorded = inOrder(metrics.map(metricsValues), evaluations.map(evaluationValues));
    const events = tensorBoard ? await continuedEvents(path.dirname(files.lock), startedAt, step, recorded) : undefined;
    const writer = new CheckpointWriter(
      {
        root: files.checkpoints,
        specs: () => training.specs,
        tokensPerStep: tokensPerStep(config),
        keep,
        evaluations,
        flushRecords: async () => {
          await log.flush();
          await evaluationLog?.flush();
          await events?.flush();
        },
      },
      step,
    );
    return {
      training,
      writer,
      metrics,
      log,
      evaluations,
      ...(evaluationLog && { evaluationLog }),
      ...(events && { events }),
    };
  } catch (error) {
    training.dispose();
    throw error;
  }
}

/** The event file of a run, with what was recorded up to a step. */
async function continuedEvents(
  dir: string,
  startedAt: string,
  step: number,
  recorded: ReturnType<typeof inOrder>,
): Promise<EventLog> {
  const events = await EventLog.open(dir, startedAt);
  await events.keepUntil(step);
  await events.append(recorded);
  return events;
}
