import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { CorpusError } from "../corpus-error";
import { projectFolder } from "../project-folder";
import { debianFileName, downloadDebian } from "./debian";
import { type DebianPackage, type NpmPackage, packageId, type PinnedPackage, type PypiPackage } from "./definition";
import { closeScratch, openScratch } from "./scratch";

/** Wheels are chosen for this Python whatever Python is here, so that every machine takes the same files. */
const WHEELS_FOR = ["--python-version", "3.13", "--implementation", "py", "--abi", "none", "--platform", "any"];

/** Runs a program and returns what it printed; throws a CorpusError with its last lines when it fails. */
export type RunProgram = (program: string, args: readonly string[], cwd: string) => Promise<string>;

/** Path of a package's archive in the cache. */
export function archivePath(pinned: PinnedPackage, cache: string): string {
  if (pinned.ecosystem === "pypi") return path.join(cache, pinned.wheel);
  if (pinned.ecosystem === "debian") return path.join(cache, debianFileName(pinned));
  return path.join(cache, `${pinned.package.replace("@", "").replace("/", "-")}-${pinned.version}.tgz`);
}

/** Whether an archive's bytes are the pinned ones. */
export function isPinned(pinned: PinnedPackage, bytes: Buffer): boolean {
  if (pinned.ecosystem === "npm") {
    return `sha512-${createHash("sha512").update(bytes).digest("base64")}` === pinned.integrity;
  }
  return createHash("sha256").update(bytes).digest("hex") === pinned.sha256;
}

/**
 * Sees to it that the archives of packages are in the cache, whole: those that are missing or damaged are fetched by npm,
 * pip and apt-get, by name and version, and every archive is checked against its pinned hash. Nothing of a package is run.
 *
 * @param onPackage called with each package when its archive is there
 * @throws CorpusError when a client is missing or fails, or an archive differs from the pinned one
 */
export async function fetchPackages(
  packages: readonly PinnedPackage[],
  cache: string,
  { run = runProgram, onPackage }: { run?: RunProgram; onPackage?: (name: string) => void },
): Promise<void> {
  mkdirSync(cache, { recursive: true });
  const missing: PinnedPackage[] = [];
  for (const pinned of packages) {
    const file = archivePath(pinned, cache);
    if (existsSync(file) && isPinned(pinned, readFileSync(file))) onPackage?.(packageId(pinned));
    else missing.push(pinned);
  }
  if (missing.length === 0) return;
  const staging = openScratch(cache, "fetch");
  const accept = (pinned: PinnedPackage) => {
    const name = path.basename(archivePath(pinned, cache));
    const file = path.join(staging, name);
    if (!existsSync(file)) throw new CorpusError(`${packageId(pinned)} did not arrive as ${name}`);
    if (!isPinned(pinned, readFileSync(file))) {
      throw new CorpusError(
        `${packageId(pinned)} is not the package that the table of sources pins (its hash differs): ` +
          "see whether your registry serves another file, or correct the table",
      );
    }
    renameSync(file, archivePath(pinned, cache));
    onPackage?.(packageId(pinned));
  };
  try {
    // One package a call: a fetch that fails leaves the packages before it in the cache.
    for (const pinned of missing.filter((each): each is NpmPackage => each.ecosystem === "npm")) {
      const spec = `${pinned.package}@${pinned.version}`;
      await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", staging, spec], staging);
      accept(pinned);
    }
    for (const pinned of missing.filter((each): each is DebianPackage => each.ecosystem === "debian")) {
      await downloadDebian(pinned, staging, run);
      accept(pinned);
    }
    const wheels = missing.filter((each): each is PypiPackage => each.ecosystem === "pypi");
    if (wheels.length > 0) {
      const requirements = path.join(staging, "requirements.txt");
      writeFileSync(
        requirements,
        wheels.map((each) => `${each.package}==${each.version} --hash=sha256:${each.sha256}\n`).join(""),
      );
      const options = ["--no-deps", "--only-binary", ":all:", ...WHEELS_FOR, "--require-hashes", "-r", requirements];
      const pip = await findPip(run);
      await run(
        pip[0],
        [...pip.slice(1), "download", "--quiet", "--disable-pip-version-check", ...options, "-d", staging],
        staging,
      );
      wheels.forEach(accept);
    }
  } finally {
    closeScratch(staging);
  }
}

/** The project's Python, or the system's. */
function pythonPrograms(): string[][] {
  const own = process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"];
  return [[path.join(projectFolder(), ".venv", ...own)], ["python3"], ["python"]];
}

/** A command line that runs Python. */
export async function findPython(run: RunProgram): Promise<string[]> {
  const found = await firstThatRuns(pythonPrograms(), run);
  if (found === undefined) throw new CorpusError("no Python was found: install Python 3.10 or newer");
  return found;
}

/** A command line that runs pip; an environment made by uv has none, uv then offers it as a tool. */
export async function findPip(run: RunProgram): Promise<string[]> {
  const found = await firstThatRuns(
    [...pythonPrograms().map((python) => [...python, "-m", "pip"]), ["uvx", "pip"]],
    run,
  );
  if (found === undefined) throw new CorpusError("no pip was found: run npm run setup, or install python3-pip");
  return found;
}

async function firstThatRuns(commands: string[][], run: RunProgram): Promise<string[] | undefined> {
  for (const [program, ...args] of commands) {
    const runs = await run(program, [...args, "--version"], projectFolder()).then(
      () => true,
      () => false,
    );
    if (runs) return [program, ...args];
  }
  return undefined;
}

/** Runs a program without a shell. */
export const runProgram: RunProgram = (program, args, cwd) =>
  new Promise((resolve, reject) => {
    const windows = process.platform === "win32" && program === "npm";
    const child = spawn(program, args, { cwd, stdio: ["ignore", "pipe", "pipe"], shell: windows });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => errors.push(chunk));
    child.on("error", (error) => reject(new CorpusError(`cannot run ${program}: ${error.message}`)));
    child.on("close", (code) => {
      if (code === 0) return resolve(Buffer.concat(output).toString("utf8"));
      const lines = Buffer.concat([...output, ...errors])
        .toString("utf8")
        .trim()
        .split("\n");
      const last = lines.slice(-6).join("\n");
      reject(new CorpusError(`${program} ${args.slice(0, 3).join(" ")} ... failed (exit code ${code}):\n${last}`));
    });
  });
