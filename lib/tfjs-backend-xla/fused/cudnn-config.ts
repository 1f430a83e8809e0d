// Shapes: B batch, H heads, L context, K head size.

/** Queries, keys and values, and what they are rounded to. */
export interface CudnnAttentionShape {
  readonly batch: number;
  readonly heads: number;
  readonly length: number;
  readonly headSize: number;
  readonly type: "bf16" | "f16";
}

export type CudnnPass = "forward" | "backward";

/** XLA's name of a pass: causal, without dropout. */
export const cudnnTarget = (pass: CudnnPass, hasBias: boolean): string =>
  `__cudnn$fmha${hasBias ? "ScaleBias" : ""}Softmax${pass === "backward" ? "Backward" : ""}`;

/** The contracted axis of both factors; the batch axes are 0 and 1 of both. */
type Contraction = readonly [left: number, right: number];

/** The products of each pass over [B, H, L, K] tensors and [B, H, L, L] scores, by the names that XLA gives them. */
const PRODUCTS: Readonly<Record<CudnnPass, Readonly<Record<string, Contraction>>>> = {
  forward: {
    bmm1_dot_dimension_numbers: [3, 3], // q k^T
    bmm2_dot_dimension_numbers: [3, 2], // weights v
  },
  backward: {
    bmm1_grad_gemm1_dot_dimension_numbers: [2, 2], // dk = dScores^T q
    bmm1_grad_gemm2_dot_dimension_numbers: [3, 2], // dq = dScores k
    bmm2_grad_gemm1_dot_dimension_numbers: [2, 2], // dv = weights^T dOut
    bmm2_grad_gemm2_dot_dimension_numbers: [3, 3], // dWeights = dOut v^T
  },
};

/**
 * The configuration of XLA's custom calls for cuDNN's fused attention, scores scaled by 1 / sqrt(K), as JSON of its message
 * `GpuBackendConfig` (xla/service/gpu/backend_configs.proto). 64-bit integers are strings there.
 */
export function cudnnAttentionConfig(pass: CudnnPass, shape: CudnnAttentionShape): string {
  const { batch, heads, length, headSize, type } = shape;
  const products: Record<string, object> = {};
  for (const [name, [left, right]] of Object.entries(PRODUCTS[pass])) {
    products[name] = {
      lhs_contracting_dimensions: [String(left)],
      rhs_contracting_dimensions: [String(right)],
      lhs_batch_dimensions: ["0", "1"],
      rhs_batch_dimensions: ["0", "1"],
    };
  }
  return JSON.stringify({
    operation_queue_id: "0",
    cudnn_fmha_backend_config: {
      algorithm: {
        algo_id: "0",
        math_type: "TENSOR_OP_MATH",
        tuning_knobs: { "17": "1", "24": "0" },
        is_cudnn_frontend: true,
        workspace_size: "0",
      },
      fmha_scale: headSize ** -0.5,
      intermediate_tensor_shape: {
        element_type: type.toUpperCase(),
        dimensions: [batch, heads, length, length].map(String),
        tuple_shapes: [],
        layout: {
          dim_level_types: [],
          dim_unique: [],
          dim_ordered: [],
          minor_to_major: ["3", "2", "1", "0"],
          tiles: [],
          element_size_in_bits: "0",
          memory_space: "0",
          index_primitive_type: "PRIMITIVE_TYPE_INVALID",
          pointer_primitive_type: "PRIMITIVE_TYPE_INVALID",
          dynamic_shape_metadata_prefix_bytes: "0",
        },
        is_dynamic_dimension: [false, false, false, false],
      },
      is_flash_attention: true,
      mask_type: "CAUSAL",
      ...products,
      dropout_rate: 0,
      seed: 42, // of a dropout that is off
      sliding_window_length: 0,
      max_seg_per_batch: 1,
      is_paged_attention: false,
    },
  });
}
