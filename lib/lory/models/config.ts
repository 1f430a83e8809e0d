import { nearestName, refuseUnknownKeys } from "./refuse-unknown";
import {
  EXPERT_CHOICE_POOLS,
  EXPERT_CHOICE_UNITS,
  FIRST_SEGMENT_RULES,
  LOAD_BALANCING_SCOPES,
  ROUTING_MODES,
} from "../moe";
import { expertLayers } from "./expert-layers";
import { checkRouting } from "./config-routing";
import { llamaFfnWidth, PRESETS, PRESET_NAMES, type ModelConfig, type PresetName } from "./presets";

export type { ModelConfig } from "./presets";

/** Any keys of a model's configuration, on top of a preset's (`1m` if none is named). */
export type ModelConfigInput = Partial<ModelConfig> & { readonly preset?: PresetName };

type Check = (value: unknown) => string | undefined;

const isInteger =
  (least: number): Check =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= least ? undefined : `an integer of at least ${least}`;

const isPositive: Check = (value) =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? undefined : "a finite number above 0";

const isNotNegative: Check = (value) =>
  typeof value === "number" && Number.isFinite(value) && value >= 0 ? undefined : "a finite number of at least 0";

const isBoolean: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");

const isOneOf =
  (names: readonly string[]): Check =>
  (value) =>
    names.some((name) => name === value) ? undefined : `one of ${names.map((name) => `"${name}"`).join(", ")}`;

function isLayers(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((layer) => isInteger(0)(layer) === undefined) &&
    new Set(value).size === value.length
  );
}

/** What each value must be by itself. */
const CHECKS = {
  vocabSize: isInteger(1),
  contextLength: isInteger(1),
  dModel: isInteger(1),
  dFfn: isInteger(1),
  numLayers: isInteger(1),
  numHeads: isInteger(1),
  numExperts: isInteger(0),
  expertLayerStep: isInteger(1),
  denseLayers: (value) => (isLayers(value) ? undefined : "a list of layers, each counted from 0 and named once"),
  segmentLength: isInteger(1),
  routingMode: isOneOf(ROUTING_MODES),
  firstSegmentRule: isOneOf(FIRST_SEGMENT_RULES),
  numExpertsPerTok: isInteger(1),
  normTopkProb: isBoolean,
  capacityFactor: isPositive,
  expertChoiceUnit: isOneOf(EXPERT_CHOICE_UNITS),
  expertChoicePool: isOneOf(EXPERT_CHOICE_POOLS),
  segmentShare: (value) =>
    typeof value === "number" && value > 0 && value < 1 ? undefined : "a number above 0 and below 1",
  expertPoolSize: isInteger(1),
  l1InitialCoef: isPositive,
  l1CoefMultiplier: (value) =>
    typeof value === "number" && Number.isFinite(value) && value >= 1 ? undefined : "a finite number of at least 1",
  expertDropout: (value) =>
    typeof value === "number" && value >= 0 && value < 1 ? undefined : "a number of at least 0 and below 1",
  routerAuxLossCoef: isNotNegative,
  loadBalancingScope: isOneOf(LOAD_BALANCING_SCOPES),
  routerZLossCoef: isNotNegative,
  routerBiasUpdateRate: isNotNegative,
  documentMask: (value) =>
    value === null || isInteger(0)(value) === undefined
      ? undefined
      : "the number of the token that ends a document (a corpus has it as endOfDocument), or null",
  normEps: isPositive,
  ropeTheta: isPositive,
  initStd: isPositive,
} satisfies Record<keyof ModelConfig, Check>;

const KEYS = Object.keys(CHECKS) as (keyof ModelConfig)[];

/** A value as it was written: strings quoted, NaN and functions by name. */
function shown(value: unknown): string {
  return typeof value === "string" || (typeof value === "object" && value !== null)
    ? JSON.stringify(value)
    : String(value);
}

/**
 * A complete, checked configuration.
 *
 * Keys that are not given come from the preset; `dFfn` follows LLaMA's rule if `dModel` is given and `dFfn` is not.
 *
 * @throws Error that names the key, what was given and what is expected
 */
export function modelConfig(input: ModelConfigInput = {}): ModelConfig {
  if (typeof input !== "object" || input === null) {
    throw new Error(`a model's configuration is an object, not ${shown(input)}`);
  }
  refuseUnknownKeys("a model's configuration", input, ["preset", ...KEYS]);
  const { preset = "1m", ...given } = input;
  if (!Object.hasOwn(PRESETS, preset)) {
    const nearest = nearestName(String(preset), PRESET_NAMES);
    throw new Error(`no preset ${shown(preset)}: did you mean "${nearest}"? Presets: ${PRESET_NAMES.join(", ")}`);
  }
  const config: ModelConfig = {
    ...PRESETS[preset],
    ...(isInteger(1)(given.dModel) === undefined && given.dModel !== undefined
      ? { dFfn: llamaFfnWidth(given.dModel) }
      : {}),
    ...given,
  };
  for (const key of KEYS) {
    const expected = CHECKS[key](config[key]);
    if (expected !== undefined) throw new Error(`${key} is ${shown(config[key])}: expected ${expected}`);
  }
  checkTogether(config);
  // Equal configurations are to be the same text: a run is known by it.
  const denseLayers = Object.freeze([...config.denseLayers].sort((a, b) => a - b));
  return Object.freeze({ ...config, denseLayers });
}

/** What values must be to one another. */
function checkTogether(config: ModelConfig): void {
  const { dModel, numHeads, segmentLength, contextLength } = config;
  if (dModel % numHeads !== 0) {
    throw new Error(
      `dModel is ${dModel}, numHeads ${numHeads}: the heads share the width evenly, so that dModel must be a multiple of numHeads`,
    );
  }
  if ((dModel / numHeads) % 2 !== 0) {
    throw new Error(
      `dModel is ${dModel}, numHeads ${numHeads}: a head of ${dModel / numHeads} is odd, and rotary positions turn pairs`,
    );
  }
  if (segmentLength > contextLength) {
    throw new Error(
      `segmentLength is ${segmentLength}, contextLength ${contextLength}: a segment cannot be longer than the context`,
    );
  }
  if (config.documentMask !== null && config.documentMask >= config.vocabSize) {
    throw new Error(
      `documentMask is ${config.documentMask}, vocabSize ${config.vocabSize}: the token that ends a document is one of the vocabulary's, or null`,
    );
  }
  const beyond = config.denseLayers.find((layer) => layer >= config.numLayers);
  if (beyond !== undefined) {
    throw new Error(`denseLayers names layer ${beyond}, numLayers is ${config.numLayers}: layers are counted from 0`);
  }
  if (config.numExperts > 0 && expertLayers(config).length === 0) {
    throw new Error(
      `numExperts is ${config.numExperts}, and no layer has experts: expertLayerStep is ${config.expertLayerStep}, denseLayers [${config.denseLayers.join(", ")}]`,
    );
  }
  checkRouting(config);
}
