import fs from "node:fs/promises";
import path from "node:path";
import { isMissing } from "./durable-file";

/** Which checkpoints stay when a new one has been written. */
export interface KeptCheckpoints {
  /** The newest ones, so many. */
  readonly last: number;
  /** Whether the one with the lowest held-out loss stays too, in runs that are evaluated. */
  readonly best: boolean;
}

/** What an evaluation found: the lower the loss, the better the model after that step. */
export interface EvaluatedStep {
  readonly step: number;
  readonly lossNats: number;
}

const FOLDER = /^step-(\d{8,})$/;
export const UNFINISHED_PREFIX = "writing-";
const DAMAGED_PREFIX = "damaged-";
/** Of a checkpoint whose files are about to go: it is none any more. */
const REMOVED_PREFIX = "removed-";

/** The folder's name of the checkpoint after so many steps. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, "0")}`;
}

/** The steps that have a checkpoint, the newest first. */
export async function checkpointSteps(root: string): Promise<number[]> {
  const steps = (await foldersIn(root)).flatMap((name) => FOLDER.exec(name)?.slice(1, 2).map(Number) ?? []);
  return steps.sort((a, b) => b - a);
}

/** The newest checkpoint's folder; undefined if there is none. */
export async function latestCheckpoint(root: string): Promise<string | undefined> {
  const [step] = await checkpointSteps(root);
  return step === undefined ? undefined : path.join(root, checkpointName(step));
}

/** The steps that the training of a checkpoint's folder has behind it. */
export function checkpointStep(folder: string): number {
  return Number(FOLDER.exec(path.basename(folder))?.[1]);
}

/** Removes what a process that was killed had begun to write, or to remove. */
export async function removeUnfinishedCheckpoints(root: string): Promise<void> {
  const unfinished = [UNFINISHED_PREFIX, REMOVED_PREFIX];
  await removeFolders(root, (name) => unfinished.some((prefix) => name.startsWith(prefix)));
}

/** Gives a damaged checkpoint another name: a new one of its step will be written. It goes with the next that are not kept. */
export async function setAsideDamaged(folder: string): Promise<void> {
  await fs.rename(folder, path.join(path.dirname(folder), `${DAMAGED_PREFIX}${path.basename(folder)}-${Date.now()}`));
}

/** Of the steps that have a checkpoint, that of the lowest loss which an evaluation found, the first of several; undefined if none was evaluated. */
export function bestCheckpoint(steps: readonly number[], evaluations: readonly EvaluatedStep[]): number | undefined {
  const saved = evaluations.filter(({ step }) => steps.includes(step));
  if (saved.length === 0) return undefined;
  return saved.reduce((best, each) => (each.lossNats < best.lossNats ? each : best)).step;
}

/** Removes the checkpoints that are not kept. */
export async function removeOldCheckpoints(
  root: string,
  keep: KeptCheckpoints,
  evaluations: readonly EvaluatedStep[] = [],
): Promise<void> {
  const steps = await checkpointSteps(root);
  const best = keep.best ? bestCheckpoint(steps, evaluations) : undefined;
  const kept = steps.filter((step, i) => i < keep.last || step === best);
  const names = new Set(kept.map(checkpointName));
  const isOld = (name: string): boolean => FOLDER.test(name) && !names.has(name);
  for (const name of (await foldersIn(root)).filter(isOld)) {
    await fs.rename(path.join(root, name), path.join(root, `${REMOVED_PREFIX}${name}`));
  }
  await removeFolders(root, (name) => name.startsWith(REMOVED_PREFIX) || name.startsWith(DAMAGED_PREFIX));
}

async function foldersIn(root: string): Promise<string[]> {
  try {
    return await fs.readdir(root);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

async function removeFolders(root: string, isRemoved: (name: string) => boolean): Promise<void> {
  for (const name of (await foldersIn(root)).filter(isRemoved)) {
    await fs.rm(path.join(root, name), { recursive: true });
  }
}
