import path from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { modelConfig, type ModelConfig } from "../../models";
import { FIRST_SEGMENT_RULES, type RoutingMode } from "../../moe";
import { Draws } from "../../testing/draws";
import { stepScalars } from "../adamw";
import { dropoutNumbers, freshState, modelObjective } from "../model-objective";
import type { OptimizerConfig } from "../run-config";
import { reportedTensors, trainStep } from "../train-step";

/** The losses as they were when the file was made last, by run; `npm run golden` makes it anew. */
export const GOLDEN_FILE = path.join(__dirname, "golden-losses.json");

/** The cross entropy of each step's batch, in nats, by run. */
export type GoldenLosses = Readonly<Record<string, readonly number[]>>;

const STEPS = 8;
const BATCH_SIZE = 3;
const SEED = 5;

/** The last segment is short. */
const SIZE = {
  vocabSize: 32,
  contextLength: 14,
  dModel: 16,
  dFfn: 12,
  numLayers: 2,
  numHeads: 2,
  numExperts: 4,
  segmentLength: 4,
  initStd: 0.2,
} as const satisfies Partial<ModelConfig>;

const OPTIMIZER: OptimizerConfig = {
  learningRate: 1e-2,
  beta1: 0.9,
  beta2: 0.95,
  eps: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  warmupFraction: 0.25,
  finalFraction: 0.1,
};

type Variants = Readonly<Record<string, Partial<ModelConfig>>>;

const withRules: Variants = Object.fromEntries(
  FIRST_SEGMENT_RULES.map((firstSegmentRule) => [firstSegmentRule, { firstSegmentRule }]),
);

/** What of each mode is trained. */
const VARIANTS = {
  causal_segment: { ...withRules, "one segment": { segmentLength: 14 }, "one expert": { numExperts: 1 } },
  running_mean: withRules,
  prefix: { plain: {} },
  own_segment: { plain: {} },
  whole_sequence: { plain: {}, "expert dropout": { expertDropout: 0.3 } },
  token_choice: {
    plain: {},
    "shares of all": { normTopkProb: false, numExpertsPerTok: 1 },
    losses: { routerAuxLossCoef: 0.01, routerZLossCoef: 0.001 },
    "balanced by sequence": { routerAuxLossCoef: 0.1, loadBalancingScope: "sequence" },
    bias: { routerBiasUpdateRate: 0.01 },
  },
  expert_choice: {
    segments: {},
    tokens: { expertChoiceUnit: "token" },
    "tokens by sequence": { expertChoiceUnit: "token", expertChoicePool: "sequence", capacityFactor: 2 },
  },
  remoe: { plain: { l1InitialCoef: 0.01 } },
  segment_and_token: { plain: { numExpertsPerTok: 1, normTopkProb: false } },
  document_pool: { plain: { expertPoolSize: 3 } },
} as const satisfies Record<RoutingMode, Variants>;

/** The models of all runs: each mode with its variants, and a dense model. */
export const GOLDEN_RUNS: Readonly<Record<string, ModelConfig>> = {
  dense: modelConfig({ ...SIZE, numExperts: 0 }),
  ...Object.fromEntries(
    Object.entries<Variants>(VARIANTS).flatMap(([mode, variants]) =>
      Object.entries(variants).map(([name, keys]) => [
        `${mode}, ${name}`,
        modelConfig({ ...SIZE, routingMode: mode as RoutingMode, ...keys }),
      ]),
    ),
  ),
};

/** Trains a model for a few steps on made-up text, on the current backend, each batch in `accumulation` parts; the losses of its steps. */
export async function trainGolden(model: ModelConfig, accumulation = 1): Promise<number[]> {
  const step = trainStep(modelObjective(model), OPTIMIZER, { accumulation });
  const draws = new Draws(SEED);
  const losses: number[] = [];
  let state = await freshState({ model, seed: SEED });
  for (let number = 1; number <= STEPS; number++) {
    const tokens_BM = tf.tensor2d(rows(model, draws), [BATCH_SIZE, model.contextLength + 1], "int32");
    const scalars = stepScalars(number, STEPS, OPTIMIZER);
    const uniform_YBE = dropoutNumbers({ model, seed: SEED, batchSize: BATCH_SIZE }, number);
    const result = step(state, tokens_BM, scalars, uniform_YBE);
    state = result.state;
    losses.push((await result.lossNats.data())[0]);
    tf.dispose([tokens_BM, { ...scalars }, reportedTensors(result)]);
    uniform_YBE?.dispose();
  }
  tf.dispose({ ...state });
  return losses;
}

/** Rows that count up or down by steps of their own, as there is something to learn. */
function rows({ vocabSize, contextLength }: ModelConfig, draws: Draws): number[] {
  return Array.from({ length: BATCH_SIZE }, () => {
    const [start, by] = [draws.integer(vocabSize), 1 + draws.integer(vocabSize - 1)];
    return Array.from({ length: contextLength + 1 }, (_, i) => (start + i * by) % vocabSize);
  }).flat();
}
