import { spawn } from "node:child_process";
import fs from "node:fs";
import type { Socket } from "node:net";
import os from "node:os";
import path from "node:path";
import type { Readable } from "node:stream";
import { type BrowserProgram, installedBrowsers, packagedChromium, packagedChromiumRunsHere } from "./chromium";

/** No browser could be started; the message says what was tried and what to do. */
export class BrowserError extends Error {
  override readonly name = "BrowserError";
}

/** A running browser with one empty page. It never keeps the process alive, but while a call is under way. */
export interface Browser {
  readonly executable: string;
  /** Sends a command of the Chrome DevTools protocol to the page; the answer is the command's result. */
  send(method: string, params?: object): Promise<unknown>;
  close(): void;
}

const START_TIMEOUT_MS = 60_000;
const CALL_TIMEOUT_MS = 120_000;

/**
 * What the browser is started with. It draws pages that are made here and loads nothing from a network, so it needs no
 * sandbox, which many containers do not allow.
 */
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-dev-shm-usage",
  // WebGL, which plotly's 3D traces need, is computed on the CPU.
  "--use-angle=swiftshader",
  "--enable-unsafe-swiftshader",
  "--disable-extensions",
  "--disable-sync",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-breakpad",
  "--host-resolver-rules=MAP * ~NOTFOUND",
  "--no-first-run",
  "--no-default-browser-check",
  "--hide-scrollbars",
  "--mute-audio",
  // Text is as wide on every machine, and colours are what the figure says.
  "--font-render-hinting=none",
  "--force-color-profile=srgb",
  "--remote-debugging-pipe",
];

/**
 * Starts the first browser that runs: LORY_CHROMIUM if it is set, else a Chrome or Chromium of the system, else the one
 * inside `@sparticuz/chromium` (Linux x64).
 *
 * @throws BrowserError if none runs
 */
export async function launchBrowser(env: NodeJS.ProcessEnv = process.env): Promise<Browser> {
  const failures: string[] = [];
  for (const executable of installedBrowsers(env)) {
    try {
      return await start({ executable, env });
    } catch (error) {
      failures.push(`${executable}: ${String(error instanceof Error ? error.message : error)}`);
    }
  }
  if (!env.LORY_CHROMIUM && packagedChromiumRunsHere()) {
    try {
      return await start(await packagedChromium());
    } catch (error) {
      failures.push(`@sparticuz/chromium: ${String(error instanceof Error ? error.message : error)}`);
    }
  }
  const tried = failures.length ? `\nTried:\n${failures.map((failure) => `  ${failure}`).join("\n")}` : "";
  throw new BrowserError(
    "Drawing a figure as PNG, SVG or PDF needs Chrome or Chromium, and none runs here. Install one (Debian, Ubuntu: " +
      `sudo apt install chromium), or set LORY_CHROMIUM to the path of a browser.${tried}`,
  );
}

/** Starts a browser and speaks the DevTools protocol with it over two pipes: when this process ends, they close and so does it. */
async function start({ executable, env }: BrowserProgram): Promise<Browser> {
  removeAbandonedProfiles();
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), `${PROFILE_PREFIX}${process.pid}-`));
  const child = spawn(executable, [...FLAGS, `--user-data-dir=${profile}`], {
    env: { ...env, TMPDIR: profile }, // what a killed browser leaves goes with its profile
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const [, , stderr, commands, answers] = child.stdio as [null, null, Socket, Socket, Socket];
  const connection = converse(commands, answers);
  let complaints = "";
  stderr.on("data", (text: Buffer) => (complaints = (complaints + text.toString()).slice(-2000)));

  const kill = () => child.kill("SIGKILL");
  const removeProfile = () => removeFolder(profile);
  const atExit = () => {
    kill();
    removeProfile();
  };
  process.once("exit", atExit);
  child.once("error", (error) => connection.fail(error));
  child.once("close", (code, signal) => {
    process.off("exit", atExit);
    removeProfile();
    connection.fail(new BrowserError(`the browser ended (${signal ?? `status ${code}`}). ${complaints.trim()}`));
  });
  for (const handle of [child, stderr, commands, answers]) handle.unref();

  try {
    const { targetId } = (await connection.send("Target.createTarget", { url: "about:blank" }, START_TIMEOUT_MS)) as {
      targetId: string;
    };
    const page = { targetId, flatten: true };
    const { sessionId } = (await connection.send("Target.attachToTarget", page, START_TIMEOUT_MS)) as {
      sessionId: string;
    };
    return {
      executable,
      send: (method, params = {}) => connection.send(method, params, CALL_TIMEOUT_MS, sessionId),
      close: kill,
    };
  } catch (error) {
    kill();
    throw error;
  }
}

const PROFILE_PREFIX = "lory-chromium-";

/** Removes the profiles of processes that were ended before they could: folders are named by process. */
function removeAbandonedProfiles(): void {
  for (const name of fs.readdirSync(os.tmpdir())) {
    const pid = Number(new RegExp(`^${PROFILE_PREFIX}(\\d+)-`).exec(name)?.[1] ?? NaN);
    if (Number.isNaN(pid) || isRunning(pid)) continue;
    removeFolder(path.join(os.tmpdir(), name));
  }
}

/**
 * Removes a profile. One that cannot be removed, as another user's, or one that the browser's processes still write to, is
 * no reason to fail: the next browser tries again.
 */
function removeFolder(folder: string): void {
  try {
    fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  } catch {
    return;
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Another user's process cannot be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Commands and their answers, each a JSON text that ends with a zero byte. */
function converse(commands: Socket, answers: Socket) {
  const pending = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  let failure: Error | undefined;
  let last = 0;

  const settle = (id: number) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (pending.size === 0) answers.unref();
    return waiting;
  };
  const fail = (error: Error) => {
    failure ??= error;
    for (const id of [...pending.keys()]) settle(id)?.reject(failure);
  };
  readTexts(answers, (text) => {
    const { id, result, error } = JSON.parse(text) as Answer;
    if (id === undefined) return;
    if (error) settle(id)?.reject(new Error(error.message));
    else settle(id)?.resolve(result);
  });
  // A browser that ends while it is written to: the "close" of the process says why.
  commands.on("error", () => undefined);
  answers.on("error", () => undefined);

  const send = (method: string, params: object, timeoutMs: number, sessionId?: string) =>
    new Promise<unknown>((resolve, reject) => {
      if (failure) return reject(failure);
      const id = ++last;
      const timer = setTimeout(
        () => settle(id)?.reject(new Error(`${method} had no answer in ${timeoutMs / 1000} s`)),
        timeoutMs,
      );
      pending.set(id, {
        resolve: (result) => (clearTimeout(timer), resolve(result)),
        reject: (error) => (clearTimeout(timer), reject(error)),
      });
      answers.ref();
      commands.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  return { send, fail };
}

/** Calls `take` with every text of a stream of texts that end with a zero byte. */
function readTexts(stream: Readable, take: (text: string) => void): void {
  let parts: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => {
    let rest = chunk;
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      take(Buffer.concat([...parts, rest.subarray(0, end)]).toString());
      parts = [];
      rest = rest.subarray(end + 1);
    }
    if (rest.length) parts.push(rest);
  });
}
