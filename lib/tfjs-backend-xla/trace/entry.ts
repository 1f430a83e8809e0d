import type * as tf from "@tensorflow/tfjs-core";
import type { Value } from "../stablehlo";
import type { CallSite } from "./call-site";
import type { Trace } from "./traces";

/** What a tensor's data id stands for. */
export interface Entry {
  readonly dtype: tf.DataType;
  refCount: number;
  /** The value, for types that the device holds. */
  value?: Value;
  /** The data of types that the device does not hold: strings. */
  strings?: tf.BackendValues;
  /** The trace during which it was recorded, and by which operation and line; it means nothing outside of that trace. */
  readonly trace?: Trace;
  readonly origin?: Origin;
}

interface Origin {
  readonly kernel: string;
  readonly site: CallSite | undefined;
}

/** What to say of a tensor that is used after its trace has ended. */
export function leaked(entry: Entry, trace: Trace, shape: readonly number[]): Error {
  return new Error(
    `a tensor of shape [${shape.join(", ")}] left the trace of ${trace.name} without being returned (${madeBy(entry)}): return it from the function`,
  );
}

/** By which operation and line. */
export function madeBy({ origin }: Entry): string {
  if (!origin?.kernel) return "it is an argument, or a constant";
  return `it was made by ${origin.kernel} ${origin.site ? `at ${origin.site.place()}` : "in a backward pass"}`;
}
