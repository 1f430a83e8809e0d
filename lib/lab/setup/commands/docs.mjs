/** `npm run docs`: writes the README's section of results from the files under results/, so that no number is typed in by hand. */
import fs from "node:fs";
import { SetupError } from "../errors.mjs";
import { at } from "../places.mjs";

const README = at("README.md");
const LEAK = "results/leak/domains-s-5m-8e.json";
const [START, END] = ["<!-- results: start -->", "<!-- results: end -->"];

/** @param {string[]} args */
export function run(args) {
  if (args.length) throw new SetupError(`npm run docs takes no arguments; it was given ${args.join(" ")}.`);
  const text = fs.readFileSync(README, "utf8");
  const [before, rest] = split(text, START);
  const [, after] = split(rest, END);
  fs.writeFileSync(
    README,
    `${before}${START}\n\n${quickstart()}\n\n${reports()}\n\n${leak()}\n\n${benchmarks()}\n\n${END}${after}`,
  );
  return 0;
}

/** @param {string} text @param {string} marker */
function split(text, marker) {
  const at = text.indexOf(marker);
  if (at < 0) throw new SetupError(`README.md has no line ${marker}: put it where the results are to stand.`);
  return [text.slice(0, at), text.slice(at + marker.length)];
}

/** The quickstart's own summary, one heading deeper, with its figures of loss and routing. */
function quickstart() {
  const summary = fs.readFileSync(at("results/quickstart/summary.md"), "utf8").trim();
  const image = (/** @type {string} */ name, /** @type {string} */ what) => `![${what}](results/figures/${name}.png)`;
  return [
    summary.replace(/^# /, "### "),
    image("quickstart-loss", "Training loss of the dense and the Lory model over tokens"),
    image("quickstart-routing", "Mean routing weight by domain and expert, in three layers"),
  ].join("\n\n");
}

/** What the other notebooks found: their titles and first findings stand in their summaries. */
function reports() {
  const names = fs
    .readdirSync(at("results"))
    .filter((name) => name !== "quickstart" && fs.existsSync(at(`results/${name}/summary.md`)));
  const lines = names.map((name) => {
    const [title] = fs.readFileSync(at(`results/${name}/summary.md`), "utf8").split("\n", 1);
    return `- [${title.replace(/^# /, "")}](results/${name}/summary.md)`;
  });
  return ["### What the other notebooks found", lines.join("\n")].join("\n\n");
}

/**
 * @typedef {{ mean: number, low: number, high: number }} Interval
 * @typedef {{ segmentLength: number, seed: number, documents: number, firstSegment: Record<string, Interval> }} Leak
 */

/** What the paper's first segment gains from the future, by T and seed. */
function leak() {
  const { device, corpus, preset, measured } = JSON.parse(fs.readFileSync(at(LEAK), "utf8"));
  const ways = Object.keys(measured[0].firstSegment);
  const lines = measured.map((/** @type {Leak} */ { segmentLength, seed, documents, firstSegment }) => {
    const cells = ways.map((way) => {
      const { mean, low, high } = firstSegment[way];
      return `${mean.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`;
    });
    return `| ${segmentLength} | ${seed} | ${documents} | ${cells.join(" | ")} |`;
  });
  return [
    "### What the first segment reads of the future",
    `The paper routes the first segment by its own mean. Nats a token that this gains there, on held-out text, by T and seed, with 95 % intervals over documents: the same weights with the rest of the segment unknown or another document's, and strictly causal twins trained on the same batches, whose difference holds all that the rule changes. Models \`${preset}\` trained on \`${corpus}\` on one ${device} (\`npm run bench -- leak\`); [notebooks/01-routing.ipynb](notebooks/01-routing.ipynb) has the measures.`,
    [
      `| T | seed | documents | ${ways.join(" | ")} |`,
      `| ---: | ---: | ---: | ${ways.map(() => "---:").join(" | ")} |`,
      ...lines,
    ].join("\n"),
  ].join("\n\n");
}

/**
 * @typedef {{ case: string, ours: number, peer: number, peerName: string, ratio: number, ratioRange?: [number, number], unit: string, error?: number, errorOfPeer?: number }} Row
 * @typedef {{ environment: Record<string, string | number>, rows: Row[] }} Benchmark
 */

/** A benchmark's file. @param {string} name @returns {Benchmark} */
const read = (name) => JSON.parse(fs.readFileSync(at(`results/benchmarks/${name}.json`), "utf8"));

/** The training step beside its peers. */
function benchmarks() {
  const [cpu, gpu] = [read("cpu"), read("gpu")];
  const speed = gpu.rows.filter(({ unit }) => unit === "tokens/s");
  return [
    "### The training step on the CPU",
    `\`npm run bench -- cpu\`: the whole step of a small model, f32, on ${cpu.environment.cores} cores, from the same weights on the same batches. This library and one peer take turns for ${cpu.environment.rounds} rounds, and the ratio is the median of the rounds' ratios. ${nativeProducts(cpu)}`,
    table(cpu.rows),
    "### The training step on a GPU",
    `\`npm run bench -- gpu\`: the whole step of the paper's 0.3B model, bf16, AdamW, on one ${gpu.environment.device}, from the same weights on the same batches. Each has the GPU to itself for ${gpu.environment.steps} timed steps; this library before and after its peers.`,
    table(speed),
  ].join("\n\n");
}

/** What is to be known of products by native code, where the benchmark had them. @param {Benchmark} cpu */
function nativeProducts(cpu) {
  if (cpu.environment.products !== "native") return "";
  const rows = read("products").rows.flatMap(({ ratio, error, errorOfPeer }) =>
    error === undefined || errorOfPeer === undefined ? [] : [{ ratio, error: error / errorOfPeer }],
  );
  const range = (/** @type {number[]} */ values) =>
    `${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}`;
  return `Large products of matrices are native code's, on Intel AMX: ${range(rows.map(({ ratio }) => ratio))} times as fast as XLA's own, with ${range(rows.map(({ error }) => error))} times their rounding error (\`npm run bench -- products\`).`;
}

/** @param {Row[]} rows */
function table(rows) {
  const unit = rows[0].unit;
  const lines = rows.map((row) => {
    const range = row.ratioRange?.map((ratio) => ratio.toFixed(2)).join(" to ") ?? "";
    return `| ${row.case} | ${row.peerName} | ${row.ours.toFixed(0)} | ${row.peer.toFixed(0)} | ${row.ratio.toFixed(2)} | ${range} |`;
  });
  return [
    `| | peer | this library, ${unit} | peer, ${unit} | ratio | rounds |`,
    "| :--- | :--- | ---: | ---: | ---: | ---: |",
    ...lines,
  ].join("\n");
}
