// Shapes: V vocabulary, D model, Q = 3 D, F ffn, G = 2 F, E experts.
import * as tf from "@tensorflow/tfjs-core";
import type { ModelConfig } from "../config";
import { hasExperts } from "../expert-layers";

/** A tensor of a Hugging Face checkpoint and its place in one of ours. */
export interface ForeignPart {
  /** As in the checkpoint: `model.layers.0.self_attn.q_proj.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /**
   * For a matrix, which PyTorch keeps as [out, in]: where its columns begin in ours, [in, columns]. Without it the tensor
   * is ours as it is.
   */
  readonly firstColumn?: number;
}

/** One of our tensors, and the checkpoint's tensors that make it up. */
export interface WeightRow {
  /** As in `paramsToList`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly parts: readonly ForeignPart[];
}

/**
 * All weights of a model with their names in a Hugging Face checkpoint: LLaMA's, the experts stacked as
 * `mlp.experts.{gate,up,down}_proj.weight` [E, out, in], the router `mlp.router.weight` [E, D], its bias of balancing
 * `mlp.router.e_score_correction_bias` (DeepSeek's name), a router of tokens beside that of segments `mlp.token_router.weight`; segment 1's own FFN `mlp.first.*`, its learned prior `mlp.prior`.
 */
export function weightTable(config: ModelConfig): WeightRow[] {
  const { vocabSize: V, dModel: D, dFfn: F, numExperts: E, numLayers, firstSegmentRule } = config;
  const same = (name: string, foreign: string, ...shape: number[]): WeightRow => ({
    name,
    shape,
    parts: [{ name: foreign, shape }],
  });
  const matrix = (
    name: string,
    bank: number[],
    rows: number,
    parts: [foreign: string, columns: number][],
  ): WeightRow => {
    let firstColumn = 0;
    const placed = parts.map(([foreign, columns]): ForeignPart => {
      const part = { name: foreign, shape: [...bank, columns, rows], firstColumn };
      firstColumn += columns;
      return part;
    });
    return { name, shape: [...bank, rows, firstColumn], parts: placed };
  };
  const swiglu = (foreign: string, gateUp: string, down: string, bank: number[] = []): WeightRow[] => [
    matrix(gateUp, bank, D, [[`${foreign}.gate_proj.weight`, F], [`${foreign}.up_proj.weight`, F]]), // prettier-ignore
    matrix(down, bank, F, [[`${foreign}.down_proj.weight`, D]]),
  ];
  const ffn = (index: number, ours: string, mlp: string): WeightRow[] => {
    if (!hasExperts(config, index)) return swiglu(mlp, `${ours}.gateUp_DG`, `${ours}.down_FD`);
    const rows = [
      matrix(`${ours}.router_DE`, [], D, [[`${mlp}.router.weight`, E]]),
      ...swiglu(`${mlp}.experts`, `${ours}.gateUp_EDG`, `${ours}.down_EFD`, [E]),
    ];
    if (firstSegmentRule === "learned_prior") rows.push(same(`${ours}.prior_E`, `${mlp}.prior`, E));
    if (firstSegmentRule === "dense_expert") {
      rows.push(...swiglu(`${mlp}.first`, `${ours}.firstGateUp_DG`, `${ours}.firstDown_FD`));
    }
    if (config.routingMode === "segment_and_token") {
      rows.push(matrix(`${ours}.tokenRouter_DE`, [], D, [[`${mlp}.token_router.weight`, E]]));
    }
    if (config.routerBiasUpdateRate > 0) {
      rows.push(same(`${ours}.bias_E`, `${mlp}.router.e_score_correction_bias`, E));
    }
    return rows;
  };
  const layer = (i: number): WeightRow[] => {
    const [ours, theirs] = [`layers.${i}`, `model.layers.${i}`];
    const attention = ["q_proj", "k_proj", "v_proj"].map((part): [string, number] => [
      `${theirs}.self_attn.${part}.weight`,
      D,
    ]);
    return [
      same(`${ours}.attnNorm_D`, `${theirs}.input_layernorm.weight`, D),
      matrix(`${ours}.qkv_DQ`, [], D, attention),
      matrix(`${ours}.out_DD`, [], D, [[`${theirs}.self_attn.o_proj.weight`, D]]),
      same(`${ours}.ffnNorm_D`, `${theirs}.post_attention_layernorm.weight`, D),
      ...ffn(i, `${ours}.ffn`, `${theirs}.mlp`),
    ];
  };
  return [
    same("embed_VD", "model.embed_tokens.weight", V, D),
    ...Array.from({ length: numLayers }, (_, i) => layer(i)).flat(),
    same("norm_D", "model.norm.weight", D),
    matrix("head_DV", [], D, [["lm_head.weight", V]]),
  ];
}

/** Columns of `row`'s matrices that `part` fills, transposed to [..., out, in]. */
export function takePart(row: WeightRow, part: ForeignPart, values: Float32Array): Float32Array {
  if (part.firstColumn === undefined) return values;
  const taken = new Float32Array(tf.util.sizeFromShape([...part.shape]));
  eachElement(row, part, (ours, theirs) => (taken[theirs] = values[ours]));
  return taken;
}

/** The opposite of `takePart`: writes a part's values to their place in `target`, which has `row`'s shape. */
export function placePart(row: WeightRow, part: ForeignPart, values: Float32Array, target: Float32Array): void {
  if (part.firstColumn === undefined) target.set(values);
  else eachElement(row, part, (ours, theirs) => (target[ours] = values[theirs]));
}

/** Tiles of this side keep both sides of a transposition in the cache. */
const TILE = 32;

/** Calls back with the flat index of each element in our tensor and in the part. */
function eachElement(row: WeightRow, part: ForeignPart, visit: (ours: number, theirs: number) => void): void {
  const [rows, columns] = row.shape.slice(-2);
  const [count, first] = [part.shape[part.shape.length - 2], part.firstColumn ?? 0];
  const matrices = tf.util.sizeFromShape(row.shape.slice(0, -2));
  for (let m = 0; m < matrices; m++) {
    const [ours, theirs] = [m * rows * columns + first, m * count * rows];
    for (let o0 = 0; o0 < count; o0 += TILE) {
      for (let i0 = 0; i0 < rows; i0 += TILE) {
        for (let o = o0; o < Math.min(o0 + TILE, count); o++) {
          for (let i = i0; i < Math.min(i0 + TILE, rows); i++) visit(ours + i * columns + o, theirs + o * rows + i);
        }
      }
    }
  }
}
