// Shapes: Y layers with experts.
import * as tf from "@tensorflow/tfjs-core";
import { expertDistance } from "../moe";
import type { TensorSpec } from "../models/safetensors";

/** How the experts of a model come to differ, by layer with experts, before the step's update. */
export interface ExpertMetrics {
  /** Euclidean norm of the gradient of the layer's routers, before clipping. */
  readonly routerGradNorms: readonly number[];
  /** See `expertDistance`; only of the steps that `measuresDistance` names. */
  readonly expertDistances: readonly number[];
}

/** Steps in which experts are new, so that their distance is measured in each. */
const NEW_STEPS = 16;
/** Behind them it is measured every so many steps. */
const DISTANCE_EVERY = 10;

/** Whether the distance of experts is measured before a step, counted from 1, of those that train experts. */
export function measuresDistance(stepOfExperts: number): boolean {
  return stepOfExperts <= NEW_STEPS || stepOfExperts % DISTANCE_EVERY === 0;
}

/** The path of a layer's parameters, and of which part of it a tensor is. */
const EXPERT_PART = /^(layers\.\d+)\.ffn\.(router_DE|tokenRouter_DE|gateUp_EDG|down_EFD)$/;

type Part = "router_DE" | "tokenRouter_DE" | "gateUp_EDG" | "down_EFD";

/** By layer with experts, in order: the places of its routers and banks among the parameters. */
function expertParts(specs: readonly Pick<TensorSpec, "name">[]): Partial<Record<Part, number>>[] {
  const layers = new Map<string, Partial<Record<Part, number>>>();
  specs.forEach(({ name }, place) => {
    const [, layer, part] = EXPERT_PART.exec(name) ?? [];
    if (layer !== undefined) layers.set(layer, { ...layers.get(layer), [part]: place });
  });
  return [...layers.values()];
}

/** The norm of each layer's router gradients, [Y]; undefined for a dense model. */
export function routerGradNorms(
  specs: readonly Pick<TensorSpec, "name">[],
  grads: readonly tf.Tensor[],
): tf.Tensor1D | undefined {
  const layers = expertParts(specs);
  if (layers.length === 0) return undefined;
  return tf.tidy(() =>
    tf.stack(
      layers.map(({ router_DE, tokenRouter_DE }) => {
        const routers = [router_DE, tokenRouter_DE].flatMap((place) => (place === undefined ? [] : grads[place]));
        return tf.sqrt(tf.addN(routers.map((grad) => tf.sum(tf.square(grad)))));
      }),
    ),
  ) as tf.Tensor1D;
}

/** The distance of each layer's experts, [Y]; of a model with experts. */
export function expertDistances(specs: readonly Pick<TensorSpec, "name">[], params: readonly tf.Tensor[]): tf.Tensor1D {
  return tf.tidy(() =>
    tf.stack(
      expertParts(specs).map(({ gateUp_EDG, down_EFD }) =>
        expertDistance({ gateUp_EDG: params[gateUp_EDG!], down_EFD: params[down_EFD!] }),
      ),
    ),
  ) as tf.Tensor1D;
}
