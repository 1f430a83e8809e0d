import { ROUTING_MODES, type RoutingMode } from "../moe";
import { ROUTING_DEFAULTS, type ModelConfig } from "./presets";

/** Keys that ask for something which only some modes do, and would be without effect in the others. */
type AskingKey =
  "firstSegmentRule" | "expertDropout" | "routerAuxLossCoef" | "routerZLossCoef" | "routerBiasUpdateRate";

/** Which of them each mode heeds. */
const HEEDED = {
  causal_segment: ["firstSegmentRule"],
  running_mean: ["firstSegmentRule"],
  prefix: [],
  own_segment: [],
  whole_sequence: ["expertDropout"],
  expert_choice: ["firstSegmentRule"],
  remoe: [],
  token_choice: ["routerAuxLossCoef", "routerZLossCoef", "routerBiasUpdateRate"],
  segment_and_token: ["firstSegmentRule", "routerAuxLossCoef", "routerZLossCoef", "routerBiasUpdateRate"],
  document_pool: ["routerAuxLossCoef", "routerZLossCoef", "routerBiasUpdateRate"],
} as const satisfies Record<RoutingMode, readonly AskingKey[]>;

const ASKING_KEYS: readonly AskingKey[] = [
  "firstSegmentRule",
  "expertDropout",
  "routerAuxLossCoef",
  "routerZLossCoef",
  "routerBiasUpdateRate",
];

const heeds = (mode: RoutingMode, key: AskingKey): boolean => HEEDED[mode].some((each) => each === key);

/** What the keys of routing must be to one another. */
export function checkRouting(config: ModelConfig): void {
  const { routingMode } = config;
  for (const key of ASKING_KEYS) {
    if (config[key] === ROUTING_DEFAULTS[key] || heeds(routingMode, key)) continue;
    const modes = ROUTING_MODES.filter((mode) => heeds(mode, key));
    throw new Error(
      `${key} is ${JSON.stringify(config[key])}, routingMode "${routingMode}": this mode does not heed it, and allows ` +
        `${JSON.stringify(ROUTING_DEFAULTS[key])} only. It can be chosen for ${modes.join(", ")}`,
    );
  }
  CHECKS[routingMode]?.(config);
}

/** What single modes ask of the keys that they read. */
const CHECKS: Partial<Record<RoutingMode, (config: ModelConfig) => void>> = {
  token_choice: checkTokenChoice,
  expert_choice: checkExpertChoice,
  remoe: checkTokenChoice,
  segment_and_token: checkSegmentAndToken,
  document_pool: checkDocumentPool,
};

function checkTokenChoice({ numExperts, numExpertsPerTok }: ModelConfig): void {
  if (numExperts > 0 && numExpertsPerTok > numExperts) {
    throw new Error(
      `numExpertsPerTok is ${numExpertsPerTok}, numExperts ${numExperts}: a token cannot pass more experts than there are`,
    );
  }
}

function checkFirstSegmentRule(
  { routingMode, firstSegmentRule }: ModelConfig,
  allowed: readonly string[],
  where: string,
): void {
  if (allowed.includes(firstSegmentRule)) return;
  throw new Error(
    `firstSegmentRule is "${firstSegmentRule}", routingMode "${routingMode}"${where}: expected one of ` +
      allowed.map((rule) => `"${rule}"`).join(", "),
  );
}

/** The rules that need no FFN of segment 1's own. */
const RULES_OF_WEIGHTS = ["own_stop_gradient", "uniform", "learned_prior"];

function checkSegmentAndToken(config: ModelConfig): void {
  checkFirstSegmentRule(config, RULES_OF_WEIGHTS, "");
  if (config.numExpertsPerTok !== 1) {
    throw new Error(
      `numExpertsPerTok is ${config.numExpertsPerTok}, routingMode "segment_and_token": expected 1, so that a token passes as many hidden units as in ` +
        `the dense model`,
    );
  }
  if (config.dFfn < 2) {
    throw new Error(
      `dFfn is ${config.dFfn}, routingMode "segment_and_token": expected 2 at least, a hidden unit for each part`,
    );
  }
}

function checkDocumentPool(config: ModelConfig): void {
  const { numExperts, numExpertsPerTok, expertPoolSize } = config;
  checkTokenChoice(config);
  if (expertPoolSize < numExpertsPerTok || (numExperts > 0 && expertPoolSize > numExperts)) {
    throw new Error(
      `expertPoolSize is ${expertPoolSize}, numExpertsPerTok ${numExpertsPerTok}, numExperts ${numExperts}: a pool has as many experts as a token ` +
        `passes at least, and no more than there are`,
    );
  }
}

function checkExpertChoice(config: ModelConfig): void {
  const { expertChoiceUnit, capacityFactor, numExperts } = config;
  const allowed = expertChoiceUnit === "token" ? ["own_stop_gradient"] : RULES_OF_WEIGHTS;
  checkFirstSegmentRule(config, allowed, ` with expertChoiceUnit "${expertChoiceUnit}"`);
  if (numExperts > 0 && capacityFactor > numExperts) {
    throw new Error(
      `capacityFactor is ${capacityFactor}, numExperts ${numExperts}: no unit can be taken by more experts than there are`,
    );
  }
}
