/**
 * `npm run bench -- generate [ROUNDS]`: the time of a token, from the one before it to its logits on the host, of a Lory model beside the dense
 * one of the same active size. They take turns of 4 tokens, so that what else the machine does meets all alike; a row's ratio is the median of
 * the rounds'. Routed by the prompt, one row is to cost what the dense model costs, within 3 %; routed by segments, a merge each T tokens comes on
 * top; rows that are written together each have a network of their own. Written to results/benchmarks/generate.json.
 */
import * as tf from "@tensorflow/tfjs-core";
import { init, initParams, modelConfig, type PresetName } from "lory";
import { median, ratios, writeBenchmark, type BenchmarkRow } from "tfjs-backend-xla/testing";
import { decodingSpeed, type TimedModel } from "./decoding-speed";

const NUM_EXPERTS = 8;

/** A comparison, and the ratio to the dense model that it aims at. */
interface Case {
  readonly preset: PresetName;
  readonly contextLength: number;
  readonly segmentLength: number;
  readonly promptLength: number;
  readonly tokens: number;
  readonly rows: number;
  readonly goals: { readonly prompt: number; readonly segments: number };
}

const GOALS = { prompt: 1 / 1.03, segments: 1 / 1.25 };

const CASES: readonly Case[] = [
  { preset: "1m", contextLength: 256, segmentLength: 32, promptLength: 64, tokens: 128, rows: 1, goals: GOALS },
  { preset: "5m", contextLength: 512, segmentLength: 64, promptLength: 128, tokens: 128, rows: 1, goals: GOALS },
  {
    preset: "1m",
    contextLength: 256,
    segmentLength: 32,
    promptLength: 64,
    tokens: 32,
    rows: 8,
    goals: { prompt: 0.5, segments: 0.4 },
  },
];

async function compare(each: Case, rounds: number): Promise<BenchmarkRow[]> {
  const { preset, contextLength, segmentLength, promptLength, tokens, rows } = each;
  const model = (name: string, numExperts: number, routing: TimedModel["routing"]): TimedModel => {
    const config = modelConfig({ preset, contextLength, segmentLength, numExperts });
    return { name, config, routing, params: initParams(config, 0) };
  };
  const [dense, ...others] = [
    model("dense", 0, "prompt"),
    model("routed by the prompt", NUM_EXPERTS, "prompt"),
    model(`routed by segments of ${segmentLength}`, NUM_EXPERTS, "segments"),
  ];
  const [baseline, ...speeds] = await decodingSpeed([dense, ...others], { promptLength, tokens, rounds, rows });
  tf.dispose([dense, ...others].map(({ params }) => params));
  return speeds.map(({ name, msPerToken }, i): BenchmarkRow => {
    const row: BenchmarkRow = {
      case: `${preset}, ${NUM_EXPERTS} experts, ${rows === 1 ? "1 row" : `${rows} rows`}, ${name}`,
      ours: median(msPerToken),
      peer: median(baseline.msPerToken),
      peerName: "dense model",
      ...ratios(msPerToken.map((ms, round) => baseline.msPerToken[round] / ms)),
      goal: i === 0 ? each.goals.prompt : each.goals.segments,
      unit: "ms a token",
    };
    console.log(`${row.case}: ${row.ours.toFixed(3)} ms against ${row.peer.toFixed(3)}, ratio ${row.ratio.toFixed(3)}`);
    return row;
  });
}

async function main(rounds: number): Promise<void> {
  const { device } = await init({ backend: "xla" });
  const rows: BenchmarkRow[] = [];
  for (const each of CASES) rows.push(...(await compare(each, rounds)));
  writeBenchmark("generate", { device, rounds }, rows);
}

void main(Number(process.argv[2] ?? 9));
