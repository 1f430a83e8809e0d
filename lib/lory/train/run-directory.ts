import { createHash } from "node:crypto";
import path from "node:path";
import { checkpointSteps } from "./checkpoint-folders";
import { identityDifferences } from "./config-diff";
import { configFromJson, configJson } from "./config-json";
import { readJson, writeDurably } from "./durable-file";
import type { Environment } from "./environment";
import { runConfig, type RunConfig } from "./run-config";

/** The run that a fork began from. */
export interface Parent {
  /** Its directory's name. */
  readonly id: string;
  /** Over its configuration, corpus and code. */
  readonly hash: string;
  /** Of the checkpoint. */
  readonly step: number;
  /** Where it lies on this machine. */
  readonly dir: string;
}

/** Everything that determines a training's numbers on a given device. */
export interface RunIdentity {
  readonly config: RunConfig;
  readonly corpusHash: string;
  readonly codeHash: string;
  /** Of a fork. */
  readonly parent?: Parent;
  /** Of the order of documents, where it is fixed: see `DocumentOrder`. */
  readonly orderHash?: string;
}

/** `summary.json`, written when the budget is used up: its presence says that a run is done. */
export interface RunSummary {
  readonly id: string;
  readonly steps: number;
  readonly tokens: number;
  /** Mean training loss of the last tenth of the steps. */
  readonly lossNats: number;
  /** Median over the steps; null when none was timed. */
  readonly tokensPerSecond: number | null;
  /** ISO 8601, UTC. */
  readonly finishedAt: string;
}

/** `env.json`: what a run's name was made of beside its configuration, and where its parts were trained. */
interface EnvironmentRecord {
  readonly hash: string;
  readonly corpusHash: string;
  readonly codeHash: string;
  readonly parent?: Omit<Parent, "dir">;
  readonly orderHash?: string;
  /** One for each time that training was begun or gone on with. */
  readonly sessions: readonly Environment[];
}

/** Places in a run directory. */
export interface RunFiles {
  readonly config: string;
  readonly environment: string;
  readonly metrics: string;
  readonly evaluations: string;
  readonly checkpoints: string;
  readonly summary: string;
  readonly lock: string;
}

export function runFiles(dir: string): RunFiles {
  return {
    config: path.join(dir, "config.json"),
    environment: path.join(dir, "env.json"),
    metrics: path.join(dir, "metrics.jsonl"),
    evaluations: path.join(dir, "evaluations.jsonl"),
    checkpoints: path.join(dir, "checkpoints"),
    summary: path.join(dir, "summary.json"),
    lock: path.join(dir, "run.lock"),
  };
}

/** SHA-256 over the whole configuration, the corpus, the code, the order of documents where it is fixed, and where a fork began. */
export function identityHash({ config, corpusHash, codeHash, orderHash, parent }: RunIdentity): string {
  const order = orderHash === undefined ? [] : [orderHash];
  const origin = parent === undefined ? [] : [parent.hash, parent.step];
  return createHash("sha256")
    .update(JSON.stringify([configJson(config), corpusHash, codeHash, ...order, ...origin]))
    .digest("hex");
}

/** A run's name and directory name: the configured name and the first 8 digits of the hash. */
export function runId(identity: RunIdentity): string {
  return `${identity.config.name}-${identityHash(identity).slice(0, 8)}`;
}

/**
 * The summary of a run that is done, else undefined. Records travel without their weights: where weights are needed, a
 * run whose last ones are not here is not done.
 */
export async function finishedSummary(files: RunFiles, needsWeights: boolean): Promise<RunSummary | undefined> {
  const summary = await readJson<RunSummary>(files.summary);
  if (!summary || !needsWeights) return summary;
  return (await checkpointSteps(files.checkpoints)).includes(summary.steps) ? summary : undefined;
}

export async function writeSummary(files: RunFiles, summary: RunSummary): Promise<void> {
  await writeDurably(files.summary, `${JSON.stringify(summary, null, 2)}\n`);
}

/**
 * Writes what a run is, and where it is trained from now on.
 *
 * @returns when its training began, ISO 8601
 * @throws an error if the directory belongs to another run
 */
export async function recordSession(files: RunFiles, identity: RunIdentity, session: Environment): Promise<string> {
  const hash = identityHash(identity);
  const known = await readJson<EnvironmentRecord>(files.environment);
  if (known && known.hash !== hash) {
    const dir = path.dirname(files.environment);
    const reasons = identityDifferences(await readRecord(files), identity, "it");
    throw new Error(`${dir} holds another run: ${reasons.join("; ") || "a fork of another one"}. Move it away`);
  }
  const { corpusHash, codeHash, orderHash, parent } = identity;
  const record: EnvironmentRecord = {
    hash,
    corpusHash,
    codeHash,
    ...(orderHash === undefined ? {} : { orderHash }),
    ...(parent === undefined ? {} : { parent: { id: parent.id, hash: parent.hash, step: parent.step } }),
    sessions: [...(known?.sessions ?? []), session],
  };
  await writeDurably(files.config, configJson(identity.config));
  await writeDurably(files.environment, `${JSON.stringify(record, null, 2)}\n`);
  return record.sessions[0].startedAt;
}

/**
 * What a run directory says of its run.
 *
 * @throws an error if it is no run's
 */
export async function readRecord(files: RunFiles): Promise<EnvironmentRecord & { readonly config: RunConfig }> {
  const [record, config] = [await readJson<EnvironmentRecord>(files.environment), await readJson(files.config)];
  if (record === undefined || config === undefined) {
    throw new Error(`${path.dirname(files.config)} holds no run: it lacks config.json or env.json`);
  }
  return { ...record, config: runConfig(configFromJson(config)) };
}
