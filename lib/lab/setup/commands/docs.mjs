/** `npm run docs`: writes the README's section of results from the files under results/, so that no number is typed in by hand. */
import fs from "node:fs";
import { SetupError } from "../errors.mjs";
import { at } from "../places.mjs";

const README = at("README.md");
const [START, END] = ["<!-- results: start -->", "<!-- results: end -->"];

/** @param {string[]} args */
export function run(args) {
  if (args.length) throw new SetupError(`npm run docs takes no arguments; it was given ${args.join(" ")}.`);
  const text = fs.readFileSync(README, "utf8");
  const [before, rest] = split(text, START);
  const [, after] = split(rest, END);
  fs.writeFileSync(README, `${before}${START}\n\n${quickstart()}\n\n${benchmarks()}\n\n${END}${after}`);
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

/**
 * @typedef {{ case: string, ours: number, peer: number, peerName: string, ratio: number, ratioRange?: [number, number], unit: string }} Row
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
    `\`npm run bench -- cpu\`: the whole step of a small model, f32, on ${cpu.environment.cores} cores, from the same weights on the same batches. This library and one peer take turns for ${cpu.environment.rounds} rounds, and the ratio is the median of the rounds' ratios.`,
    table(cpu.rows),
    "### The training step on a GPU",
    `\`npm run bench -- gpu\`: the whole step of the paper's 0.3B model, bf16, AdamW, on one ${gpu.environment.device}, from the same weights on the same batches. Each has the GPU to itself for ${gpu.environment.steps} timed steps; this library before and after its peers.`,
    table(speed),
  ].join("\n\n");
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
