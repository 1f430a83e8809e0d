import type { ModelConfig } from "./config";

/**
 * Keys of a model's configuration outside of this library, in `config.json` of runs and of checkpoints: Hugging Face's
 * where it has the quantity.
 */
export const CONFIG_KEYS = {
  vocabSize: "vocab_size",
  contextLength: "max_position_embeddings",
  dModel: "hidden_size",
  dFfn: "intermediate_size",
  numLayers: "num_hidden_layers",
  numHeads: "num_attention_heads",
  numExperts: "num_experts",
  expertLayerStep: "decoder_sparse_step",
  denseLayers: "mlp_only_layers",
  segmentLength: "segment_length",
  routingMode: "routing_mode",
  firstSegmentRule: "first_segment_rule",
  numExpertsPerTok: "num_experts_per_tok",
  normTopkProb: "norm_topk_prob",
  capacityFactor: "capacity_factor",
  expertChoiceUnit: "expert_choice_unit",
  expertChoicePool: "expert_choice_pool",
  segmentShare: "segment_share",
  expertPoolSize: "expert_pool_size",
  l1InitialCoef: "l1_initial_coef",
  l1CoefMultiplier: "l1_coef_multiplier",
  expertDropout: "expert_dropout",
  routerAuxLossCoef: "router_aux_loss_coef",
  loadBalancingScope: "load_balancing_scope",
  routerZLossCoef: "router_z_loss_coef",
  routerBiasUpdateRate: "router_bias_update_rate",
  documentMask: "document_mask_token_id",
  normEps: "rms_norm_eps",
  ropeTheta: "rope_theta",
  initStd: "initializer_range",
} as const satisfies Record<keyof ModelConfig, string>;

/** Keys that a dense model does not have. */
export const EXPERT_KEYS = [
  ...(["numExperts", "expertLayerStep", "denseLayers", "segmentLength", "routingMode", "firstSegmentRule"] as const),
  ...(["numExpertsPerTok", "normTopkProb", "routerAuxLossCoef", "loadBalancingScope", "routerZLossCoef"] as const),
  ...(["routerBiasUpdateRate", "capacityFactor", "expertChoiceUnit", "expertChoicePool"] as const),
  ...(["segmentShare", "expertPoolSize", "l1InitialCoef", "l1CoefMultiplier", "expertDropout"] as const),
] as const;
