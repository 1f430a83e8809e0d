/** Fused kernels of vendors' libraries, as functions of tensors with gradients. */
export {
  CUDNN_MASKED,
  cudnnAttention,
  suitsCudnnAttention,
  type CudnnAttentionOptions,
  type CudnnAttentionType,
} from "./cudnn-attention";
