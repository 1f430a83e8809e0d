/**
 * `npm run bench -- tokenize [MEGABYTES] [ROUNDS] [CORPUS]`: tokenizing in worker threads, as a build does it, beside Python's `tokenizers` in one
 * process that uses all cores; both with LLaMA's vocabulary and lory-8k, on documents of a corpus, `domains-s` by default. They take turns, each is
 * timed from its first portion on, and their ids must be equal. Written to results/benchmarks/tokenize.json.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type BenchmarkRow, ratios, writeBenchmark, median } from "tfjs-backend-xla/testing";
import { encodeSpool } from "./builder/encode";
import { openSpool, type SpooledText } from "./builder/spool";
import { openCorpus } from "./corpus";
import { documentTexts } from "./document-texts";
import { TOKENIZERS, tokenizerFile } from "./tokenizer";
import { convertLlamaTokenizer, withPython } from "./vocabulary/making";

const PORTION_BYTES = 1 << 20;

/** Documents of all domains, in equal steps through the corpus. */
async function sampleTexts(name: string, megabytes: number): Promise<string[]> {
  const corpus = await openCorpus(name);
  const textOf = await documentTexts(corpus);
  const { train } = corpus;
  const bytes = corpus.manifest.domains.reduce((sum, { splits }) => sum + splits.train.bytes, 0);
  const step = Math.max(1, Math.floor(bytes / (megabytes * 1e6)));
  const texts: string[] = [];
  for (let document = 0; document < train.documents; document += step) texts.push(textOf(train, document));
  corpus.close();
  return texts;
}

interface Turn {
  megabytesPerSecond: number;
  ids: Uint32Array;
}

async function ourTurn(tokenizer: string, spoolFile: string, texts: SpooledText[], scratch: string): Promise<Turn> {
  const folder = mkdtempSync(path.join(scratch, "ours-"));
  const workers = os.availableParallelism();
  const bytesOf = (some: SpooledText[]) => some.reduce((sum, { bytes }) => sum + bytes, 0);
  const portionDocuments: number[] = [];
  let start = 0;
  let end = 0;
  const encoded = await encodeSpool(texts, {
    tokenizer,
    spoolFile,
    isNarrow: true,
    folder,
    portionBytes: PORTION_BYTES,
    workers,
    onEncoded: (documents) => {
      portionDocuments.push(documents);
      end = performance.now();
      // Every worker has its tokenizer by then.
      if (portionDocuments.length === workers) start = end;
    },
  });
  const share = portionDocuments.slice(workers).reduce((sum, documents) => sum + documents, 0) / texts.length;
  const megabytesPerSecond = (share * bytesOf(texts)) / 1e3 / (end - start);
  const ids = Uint32Array.from([...encoded].flatMap((each) => [...each]));
  rmSync(folder, { recursive: true });
  return { megabytesPerSecond, ids };
}

async function main([megabytes = "16", rounds = "3", corpus = "domains-s"]: string[]): Promise<void> {
  await convertLlamaTokenizer();
  const texts = await sampleTexts(corpus, Number(megabytes));
  const rows = await withPython(async (python, scratch) => {
    const folder = path.join(scratch, "bench");
    mkdirSync(folder);
    const [jsonl, spoolFile, idsFile] = ["texts.jsonl", "texts", "ids.bin"].map((name) => path.join(folder, name));
    writeFileSync(jsonl, texts.map((text) => `${JSON.stringify(text)}\n`).join(""));
    const spool = openSpool(spoolFile);
    const spooled = texts.map(spool.append);
    spool.close();
    const found: BenchmarkRow[] = [];
    for (const name of Object.keys(TOKENIZERS)) {
      const ours: number[] = [];
      const peer: number[] = [];
      for (let round = 0; round < Number(rounds); round++) {
        const turn = await ourTurn(name, spoolFile, spooled, folder);
        ours.push(turn.megabytesPerSecond);
        peer.push(Number(await python("encode.py", jsonl, tokenizerFile(name), idsFile)));
        if (!Buffer.from(turn.ids.buffer).equals(readFileSync(idsFile)))
          throw new Error(`${name}: Python's ids differ`);
        console.log(
          name,
          `round ${round + 1}: ${ours[round].toFixed(2)} and ${peer[round].toFixed(2)} MB/s, equal ids`,
        );
      }
      found.push({
        case: `tokenizing, ${name}`,
        ours: median(ours),
        peer: median(peer),
        peerName: "Python tokenizers 0.23.2",
        ...ratios(ours.map((value, round) => value / peer[round])),
        goal: 1,
        unit: "MB/s",
      });
    }
    return found;
  });
  writeBenchmark("tokenize", { corpus, documents: texts.length, rounds }, rows);
}

void main(process.argv.slice(2));
