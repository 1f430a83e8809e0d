import { ROUTING_MODES, type RoutingMode } from "../moe";
import { ROUTING_DEFAULTS, type ModelConfig } from "./presets";

/** Keys that ask for something which only some modes do, and would be without effect in the others. */
type AskingKey = "firstSegmentRule" | "routerAuxLossCoef" | "routerZLossCoef" | "routerBiasUpdateRate";

/** Which of them each mode heeds. */
const HEEDED = {
  causal_segment: ["firstSegmentRule"],
  running_mean: ["firstSegmentRule"],
  prefix: [],
  own_segment: [],
  whole_sequence: [],
  expert_choice: ["firstSegmentRule"],
  token_choice: ["routerAuxLossCoef", "routerZLossCoef", "routerBiasUpdateRate"],
} as const satisfies Record<RoutingMode, readonly AskingKey[]>;

const ASKING_KEYS: readonly AskingKey[] = [
  "firstSegmentRule",
  "routerAuxLossCoef",
  "routerZLossCoef",
  "routerBiasUpdateRate",
];

const heeds = (mode: RoutingMode, key: AskingKey): boolean => HEEDED[mode].some((each) => each === key);

/** What the keys of routing must be to one another. */
export function checkRouting(config: ModelConfig): void {
  const { routingMode, numExperts, numExpertsPerTok } = config;
  for (const key of ASKING_KEYS) {
    if (config[key] === ROUTING_DEFAULTS[key] || heeds(routingMode, key)) continue;
    const modes = ROUTING_MODES.filter((mode) => heeds(mode, key));
    throw new Error(
      `${key} is ${JSON.stringify(config[key])}, routingMode "${routingMode}": this mode does not heed it, and allows ` +
        `${JSON.stringify(ROUTING_DEFAULTS[key])} only. It can be chosen for ${modes.join(", ")}`,
    );
  }
  if (routingMode === "expert_choice") checkExpertChoice(config);
  if (routingMode === "token_choice" && numExperts > 0 && numExpertsPerTok > numExperts) {
    throw new Error(
      `numExpertsPerTok is ${numExpertsPerTok}, numExperts ${numExperts}: a token cannot pass more experts than there are`,
    );
  }
}

function checkExpertChoice({ expertChoiceUnit, firstSegmentRule, capacityFactor, numExperts }: ModelConfig): void {
  const allowed =
    expertChoiceUnit === "token" ? ["own_stop_gradient"] : ["own_stop_gradient", "uniform", "learned_prior"];
  if (!allowed.includes(firstSegmentRule)) {
    throw new Error(
      `firstSegmentRule is "${firstSegmentRule}", routingMode "expert_choice" with expertChoiceUnit "${expertChoiceUnit}": expected ` +
        `one of ${allowed.map((rule) => `"${rule}"`).join(", ")}`,
    );
  }
  if (numExperts > 0 && capacityFactor > numExperts) {
    throw new Error(
      `capacityFactor is ${capacityFactor}, numExperts ${numExperts}: no unit can be taken by more experts than there are`,
    );
  }
}
