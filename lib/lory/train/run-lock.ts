import { randomUUID } from "node:crypto";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { errorCode, isMissing } from "./durable-file";

/** What the lock's file says about its holder. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Tells two processes of one number apart, where the system says when a process started; else empty. */
  readonly started: string;
  /** Differs in every lock ever taken. */
  readonly nonce: string;
}

/** More processes than ever compete for one run: beyond, one that is stopped, or on another machine, does not end removing a stale lock. */
const MAX_ATTEMPTS = 100;
const PAUSE_MS = 10;

export interface RunLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a run directory, so that one process at a time trains in it. A lock whose process is gone is taken over.
 *
 * @param file the lock's file
 * @throws an error that names the process which holds it
 */
export async function acquireRunLock(file: string): Promise<RunLock> {
  const own: Holder = {
    pid: process.pid,
    host: os.hostname(),
    started: await processStart(process.pid),
    nonce: randomUUID(),
  };
  // A hard link makes the lock appear at once and whole, or fail because another one is there.
  const draft = `${file}.${own.nonce}`;
  await writeDraft(draft, own);
  try {
    for (let attempt = 0; !(await linked(draft, file)); attempt++) {
      if (attempt > 0) await setTimeout(PAUSE_MS); // for another process that is about to remove a stale lock
      const holder = await readHolder(file);
      if (holder && (await isAlive(holder))) throw new Error(heldMessage(file, holder));
      if (attempt === MAX_ATTEMPTS) throw new Error(`the lock ${file} cannot be taken: delete ${file}*`);
      if (holder) await removeStale(file, { file, holder }, draft);
      else await writeDraft(draft, own); // which one that took the lock, and has released it, may have removed
    }
  } finally {
    await fs.rm(draft, { force: true });
  }
  await removeDrafts(file);
  return { release: () => fs.rm(file, { force: true }) };
}

/** Whether a process trains the run of this lock's file now, as far as can be told: one of another machine counts as alive. */
export async function isRunLocked(file: string): Promise<boolean> {
  const holder = await readHolder(file);
  return holder !== undefined && (await isAlive(holder));
}

/** A lock, or a claim to remove one, of a process that is gone. */
interface Stale {
  readonly file: string;
  readonly holder: Holder;
}

/**
 * Removes the lock of a process that is gone, or leaves that to another one that is about it. Of several processes that find it, only the one
 * that links its draft to the name made of its nonce may remove it; and since the lock is looked at again, never one that another has just
 * taken. That link is a lock itself: where its process is gone, too, it is removed in the same way.
 */
async function removeStale(lock: string, { file, holder }: Stale, draft: string): Promise<void> {
  const claim = `${lock}.claim-${holder.nonce}`;
  if (!(await linked(draft, claim))) {
    const claimant = await readHolder(claim);
    if (claimant && !(await isAlive(claimant))) await removeStale(lock, { file: claim, holder: claimant }, draft);
    return;
  }
  try {
    if ((await readHolder(file))?.nonce === holder.nonce) await fs.rm(file, { force: true });
  } finally {
    await fs.rm(claim, { force: true });
  }
}

/** Writes a draft unless it is there. */
async function writeDraft(draft: string, holder: Holder): Promise<void> {
  try {
    await fs.writeFile(draft, JSON.stringify(holder), { flag: "wx" });
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

/** Removes what processes left that died while they took the lock. One that is alive finds that the lock is held, or writes its draft again. */
async function removeDrafts(file: string): Promise<void> {
  const prefix = `${path.basename(file)}.`;
  for (const name of await fs.readdir(path.dirname(file))) {
    if (name.startsWith(prefix)) await fs.rm(path.join(path.dirname(file), name), { force: true });
  }
}

async function linked(existing: string, name: string): Promise<boolean> {
  try {
    await fs.link(existing, name);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST" || isMissing(error)) return false;
    throw error;
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await fs.readFile(file, "utf8")) as Holder;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw new Error(`the lock ${file} cannot be read; if no process trains this run, delete it`, { cause: error });
  }
}

async function isAlive({ pid, host, started }: Holder): Promise<boolean> {
  // A process of another machine cannot be asked: it counts as alive.
  if (host !== os.hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
  }
  return (await processStart(pid)) === started;
}

/** When a process started, in Linux's clock ticks since boot; empty elsewhere. */
async function processStart(pid: number): Promise<string> {
  try {
    const stat = await fs.readFile(`/proc/${pid}/stat`, "utf8");
    // Fields are counted after the command, which is in parentheses and may hold anything: the 20th is the start.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return "";
  }
}

function heldMessage(file: string, { pid, host }: Holder): string {
  if (host !== os.hostname()) {
    return `this run is being trained by process ${pid} on ${host}; if that is not so any more, delete ${file}`;
  }
  if (pid === process.pid) return "this run is being trained in this process already: stop that training first";
  return `this run is being trained by process ${pid}: wait for it, or stop it (kill ${pid})`;
}
