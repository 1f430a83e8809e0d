// Shapes: V vocabulary, D model, Q = 3 D packed queries, keys, values, F ffn, G = 2 F packed gate and up, E experts.
import type * as tf from "@tensorflow/tfjs-core";
import type { ExpertFfnParams } from "../moe";
import type { AttentionParams, DenseFfnParams, MergedFfnParams } from "../nn";

/** A layer's FFN: dense, a bank of experts with a router, or experts already merged, one network for each row. */
export type FfnParams = DenseFfnParams | ExpertFfnParams | MergedFfnParams;

export type LayerParams = AttentionParams & { attnNorm_D: tf.Tensor; ffnNorm_D: tf.Tensor; ffn: FfnParams };

/** All weights of a model. Plain objects and arrays, so that `jit`, `tidy` and `dispose` can walk them. */
export type Params = { embed_VD: tf.Tensor; layers: LayerParams[]; norm_D: tf.Tensor; head_DV: tf.Tensor };

export type NamedTensor = { name: string; tensor: tf.Tensor };

/** The parts of a layer's FFN, in order, by kind; each kind is known by its first one. */
const FFN_KINDS = [
  { parts: ["gateUp_DG", "down_FD"], optional: [] },
  {
    parts: ["router_DE", "gateUp_EDG", "down_EFD"],
    optional: ["prior_E", "firstGateUp_DG", "firstDown_FD", "bias_E", "tokenRouter_DE"],
  },
  { parts: ["gateUp_RDG", "down_RFD"], optional: [] },
] as const;

const LAYER_PARTS = ["attnNorm_D", "qkv_DQ", "out_DD", "ffnNorm_D"] as const;

/** All tensors with their paths (`layers.0.ffn.down_FD`), in an order that depends on the model's structure alone. */
export function paramsToList(params: Params): NamedTensor[] {
  const list: NamedTensor[] = [{ name: "embed_VD", tensor: params.embed_VD }];
  params.layers.forEach((layer, i) => {
    for (const part of LAYER_PARTS) list.push({ name: `layers.${i}.${part}`, tensor: layer[part] });
    const ffn: Record<string, tf.Tensor> = layer.ffn;
    const { parts, optional } = FFN_KINDS.find((kind) => kind.parts[0] in ffn) ?? { parts: [], optional: [] };
    const present = [...parts, ...optional.filter((part) => part in ffn)];
    for (const part of present) list.push({ name: `layers.${i}.ffn.${part}`, tensor: ffn[part] });
  });
  return [...list, { name: "norm_D", tensor: params.norm_D }, { name: "head_DV", tensor: params.head_DV }];
}

/**
 * The tree of a list made by `paramsToList`, in any order.
 *
 * @throws Error that names a tensor that is missing, given twice or not part of a model
 */
export function listToParams(list: readonly NamedTensor[]): Params {
  const rest = new Map<string, tf.Tensor>();
  for (const { name, tensor } of list) {
    if (rest.has(name)) throw new Error(`parameter "${name}" is given twice`);
    rest.set(name, tensor);
  }
  const take = (name: string): tf.Tensor => {
    const tensor = rest.get(name);
    if (tensor === undefined) throw new Error(`parameter "${name}" is missing`);
    rest.delete(name);
    return tensor;
  };
  const takeFfn = (prefix: string): FfnParams => {
    const named = (part: string): string => `${prefix}.${part}`;
    const { parts, optional } = FFN_KINDS.find((kind) => rest.has(named(kind.parts[0]))) ?? FFN_KINDS[0];
    const present = [...parts, ...optional.filter((part) => rest.has(named(part)))];
    return Object.fromEntries(present.map((part) => [part, take(named(part))])) as FfnParams;
  };
  const layers: LayerParams[] = [];
  while (rest.has(`layers.${layers.length}.attnNorm_D`)) {
    const prefix = `layers.${layers.length}`;
    layers.push({
      attnNorm_D: take(`${prefix}.attnNorm_D`),
      qkv_DQ: take(`${prefix}.qkv_DQ`),
      out_DD: take(`${prefix}.out_DD`),
      ffnNorm_D: take(`${prefix}.ffnNorm_D`),
      ffn: takeFfn(`${prefix}.ffn`),
    });
  }
  const params: Params = {
    embed_VD: take("embed_VD"),
    layers,
    norm_D: take("norm_D"),
    head_DV: take("head_DV"),
  };
  const [extra] = rest.keys();
  if (extra !== undefined) throw new Error(`parameter "${extra}" is not part of a model`);
  return params;
}
