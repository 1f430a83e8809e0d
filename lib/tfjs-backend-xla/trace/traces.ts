import type * as tf from "@tensorflow/tfjs-core";
import { parameter, type Value } from "../stablehlo";
import { isTensor } from "./tree";

/** A compiled function being traced: what it takes from outside becomes further parameters of its program. */
export class ProgramTrace {
  /** By variable, since its data may differ at each call; by data id for all other tensors, which never change. */
  readonly captures = new Map<object, Value>();
  lastKernel = "";

  constructor(
    readonly name: string,
    /** Variables as they were when the trace began, and the data that they had. */
    readonly variables: ReadonlyMap<tf.TensorInfo, object>,
  ) {}

  /** What to read at each call for a tensor: the variable whose data it had when the trace began, or the tensor's own data. */
  originOf(tensor: tf.TensorInfo): object {
    const { variables } = this;
    if (!variables.has(tensor)) return tensor.dataId;
    if (variables.get(tensor) === tensor.dataId) return tensor;
    return [...variables].find(([, dataId]) => dataId === tensor.dataId)?.[0] ?? tensor.dataId;
  }
}

/** A part of a program being traced as a function of its own, such as the body of a loop. What it takes from outside becomes parameters of it. */
export class RegionTrace {
  /** From values outside to the parameters that stand for them. */
  readonly captures = new Map<Value, Value>();
  readonly #closedOver = new Set<tf.Tensor>();
  lastKernel = "";

  constructor(
    readonly name: string,
    /** Tensors with lower ids were there before the region. */
    private readonly firstTensorId: number,
  ) {}

  /** The parameter that stands for a value outside. */
  capture(tensor: tf.TensorInfo, outside: Value): Value {
    if (isTensor(tensor) && tensor.id < this.firstTensorId && tensor.dtype === "float32") this.#closedOver.add(tensor);
    let inside = this.captures.get(outside);
    if (!inside) this.captures.set(outside, (inside = parameter(outside.type)));
    return inside;
  }

  /** The float tensors from outside that the region reads: it may be differentiated with respect to them. */
  get closedOver(): tf.Tensor[] {
    return [...this.#closedOver];
  }
}

export type Trace = ProgramTrace | RegionTrace;
