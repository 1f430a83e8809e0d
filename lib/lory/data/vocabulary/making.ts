/**
 * Makes tokenizers: trains a vocabulary with Python's `tokenizers` (the npm edition's training takes no options), converts
 * LLaMA's, and records Python's ids to compare ours with.
 */
import { existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import path from "node:path";
import { withTexts, type BuildProgress } from "../builder/build";
import type { CorpusDefinition } from "../builder/definition";
import { archivePath, fetchPackages, findPip, findPython, runProgram } from "../builder/packages";
import { closeScratch, openScratch } from "../builder/scratch";
import { packageCache, projectFolder } from "../project-folder";
import { TOKENIZER_FILE, tokenizerFile, TOKENIZERS } from "../tokenizer";
import { LLAMA_PACKAGE, llamaTokenizerJson } from "./llama-vocabulary";

const LORY_VOCAB_SIZE = 8192;

/** Folder of the Python scripts and their pinned requirements. */
const scripts = () => path.join(projectFolder(), "data", "tokenizers");
const fixtures = () => path.join(scripts(), "fixtures.json");

/**
 * Trains a byte-level BPE on a corpus's training documents and writes it to `data/tokenizers/lory-8k/tokenizer.json`.
 *
 * @returns the file written
 */
export async function trainTokenizer(
  definition: CorpusDefinition,
  onProgress?: (progress: BuildProgress) => void,
): Promise<string> {
  return withTexts(definition, { onProgress }, ({ texts: { splits }, read }) =>
    withPython(async (python, scratch) => {
      const texts = path.join(scratch, "texts.jsonl");
      const trained = path.join(scratch, TOKENIZER_FILE);
      writeFileSync(texts, splits.train.map((document) => `${JSON.stringify(read(document))}\n`).join(""));
      await python("train.py", texts, String(LORY_VOCAB_SIZE), trained);
      return install(trained, tokenizerFile("lory-8k"));
    }),
  );
}

/** Converts LLaMA's vocabulary to `.cache/tokenizers/llama-32k/tokenizer.json`; returns the file written. */
export async function convertLlamaTokenizer(): Promise<string> {
  await fetchPackages([LLAMA_PACKAGE], packageCache(), {});
  const scratch = openScratch(path.join(projectFolder(), ".cache"), "tokenizer");
  try {
    const converted = path.join(scratch, TOKENIZER_FILE);
    writeFileSync(converted, await llamaTokenizerJson(archivePath(LLAMA_PACKAGE, packageCache())));
    return install(converted, tokenizerFile("llama-32k"));
  } finally {
    closeScratch(scratch);
  }
}

/** Records the ids that Python's `tokenizers` gives for a list of texts, for every known tokenizer that is there. */
export async function recordFixtures(): Promise<string> {
  const present = Object.keys(TOKENIZERS).filter((name) => existsSync(tokenizerFile(name)));
  return withPython(async (python, scratch) => {
    const recorded = path.join(scratch, "fixtures.json");
    await python("fixtures.py", recorded, ...present.flatMap((name) => [name, tokenizerFile(name)]));
    return install(recorded, fixtures());
  });
}

function install(file: string, target: string): string {
  mkdirSync(path.dirname(target), { recursive: true });
  renameSync(file, target);
  return target;
}

/** Runs scripts of `data/tokenizers` with the pinned Python packages, which are installed into a throw-away folder. */
export async function withPython<Result>(
  work: (python: (script: string, ...args: string[]) => Promise<string>, scratch: string) => Promise<Result>,
): Promise<Result> {
  const scratch = openScratch(path.join(projectFolder(), ".cache"), "tokenizer");
  try {
    const packages = path.join(scratch, "packages");
    const [pip, ...pipArguments] = await findPip(runProgram);
    const [program, ...programArguments] = await findPython(runProgram);
    const requirements = path.join(scripts(), "requirements.txt");
    const options = [
      "--quiet",
      "--disable-pip-version-check",
      "--no-deps",
      "--only-binary",
      ":all:",
      "--require-hashes",
    ];
    await runProgram(pip, [...pipArguments, "install", ...options, "--target", packages, "-r", requirements], scratch);
    const python = (script: string, ...args: string[]) =>
      runProgram(program, [...programArguments, path.join(scripts(), script), packages, ...args], scratch);
    return await work(python, scratch);
  } finally {
    closeScratch(scratch);
  }
}
