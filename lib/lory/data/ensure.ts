import { fork } from "node:child_process";
import { createRequire } from "node:module";
import path from "node:path";
import { type BuildProgress, upToDateManifest } from "./builder/build";
import { type Corpus, knownCorpora, openCorpus } from "./corpus";
import { CorpusError } from "./corpus-error";
import { projectFolder } from "./project-folder";

export interface EnsureOptions {
  onProgress?: (progress: BuildProgress) => void;
  /** Ends the build; what it had downloaded is kept. */
  signal?: AbortSignal;
}

/**
 * Opens a corpus of `data/`, and builds it first when it is missing or no longer what its sources make. The build runs in
 * a process of its own, so that the caller's event loop stays free.
 *
 * @throws CorpusError when it cannot be built or opened; the signal's reason when it was aborted
 */
export async function ensureCorpus(name: string, options: EnsureOptions = {}): Promise<Corpus> {
  const root = projectFolder();
  if (!knownCorpora(root).includes(name)) return openCorpus(name);
  if (upToDateManifest(name, root) === undefined) await buildInChild(name, root, options);
  return openCorpus(name);
}

function buildInChild(name: string, root: string, { onProgress, signal }: EnsureOptions): Promise<void> {
  const data = path.join(root, "lib", "lory", "data");
  return new Promise((resolve, reject) => {
    const child = fork(path.join(data, "cli.ts"), ["build", name], {
      cwd: root,
      // The table of sources is TypeScript; ts-node compiles it and the builder as `npm run data` does.
      execArgv: ["-r", createRequire(path.join(data, "cli.ts")).resolve("ts-node/register/transpile-only")],
      env: { ...process.env, TS_NODE_PROJECT: path.join(root, "lib", "lory", "tsconfig.json") },
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      signal,
    });
    const errors: Buffer[] = [];
    child.stderr?.on("data", (chunk: Buffer) => errors.push(chunk));
    child.on("message", (progress) => onProgress?.(progress as BuildProgress));
    child.on("error", (error) => reject(signal?.aborted === true ? abortReason(signal) : error));
    child.on("close", (code) => {
      if (code === 0) return resolve();
      const said = Buffer.concat(errors).toString("utf8").trim();
      reject(new CorpusError(`corpus ${name} could not be built: ${said === "" ? `exit code ${code}` : said}`));
    });
  });
}

function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason });
}
