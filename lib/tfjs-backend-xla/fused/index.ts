/** Fused kernels of vendors' libraries, as functions of tensors with gradients. */
export { cudnnAttention, suitsCudnnAttention, type CudnnAttentionType } from "./cudnn-attention";
