import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { initParams, listToParams, paramsToList, trainingLosses, type ModelConfig, type Params } from "../models";
import type { TensorSpec } from "../models/safetensors";
import { balancedBias } from "../moe";
import type { RunConfig } from "./run-config";
import { initialState, type Objective, type TrainState } from "./train-step";

/** Names, shapes and dtypes of a model's parameters, in the order of `paramsToList`. On `xla` nothing is drawn for it. */
export function parameterSpecs(model: ModelConfig): TensorSpec[] {
  return tf.tidy(() =>
    paramsToList(initParams(model, 0)).map(({ name, tensor: { shape, dtype } }) => ({ name, shape, dtype })),
  );
}

/** What the model is trained by, as functions of its parameters in that order. */
export function modelObjective(model: ModelConfig, specs: readonly TensorSpec[] = parameterSpecs(model)): Objective {
  return {
    losses: (params, tokens_BM) => trainingLosses(paramsOf(specs, params), tokens_BM, model),
    balanced: (params, loads) => {
      const ofLayers = loads.values();
      return params.map((param, i) => {
        if (!specs[i].name.endsWith(".bias_E")) return param;
        return balancedBias(param, ofLayers.next().value!, model.routerBiasUpdateRate);
      });
    },
  };
}

/** Fresh parameters in that order. */
export function initialParameters({ model, seed }: Pick<RunConfig, "model" | "seed">): tf.Tensor[] {
  return paramsToList(initParams(model, seed)).map(({ tensor }) => tensor);
}

/** A run's state before its first step. It is compiled without blocking the event loop, and drawn on the device. */
export async function freshState(config: Pick<RunConfig, "model" | "seed">): Promise<TrainState> {
  const draw = jit(() => initialState(initialParameters(config)), { name: "initial state" });
  await draw.prepare();
  return draw();
}

/** The tree of parameters given in the order of their specs. */
export function paramsOf(specs: readonly TensorSpec[], tensors: readonly tf.Tensor[]): Params {
  return listToParams(specs.map(({ name }, i) => ({ name, tensor: tensors[i] })));
}
