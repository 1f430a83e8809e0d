/** Calls of functions that a plugin knows by name. Source: the StableHLO specification. */
import type { TensorType } from "./types";
import { makeOp, type Value } from "./value";

/**
 * A call of `target` with a configuration that it alone understands; operands and results lie in row-major order. Plugins look the name up
 * when they compile: one that they do not know is an error there. `API_VERSION_STATUS_RETURNING` of the specification, version 2.
 */
export function customCall(
  target: string,
  operands: readonly Value[],
  types: readonly TensorType[],
  backendConfig: string,
): readonly Value[] {
  const attributes = [
    "api_version = 2 : i32",
    `backend_config = ${stringText(backendConfig)}`,
    `call_target_name = ${stringText(target)}`,
    "called_computations = []",
    "has_side_effect = false",
    `operand_layouts = [${operands.map(({ type }) => rowMajor(type)).join(", ")}]`,
    `result_layouts = [${types.map(rowMajor).join(", ")}]`,
  ];
  return makeOp("custom_call", operands, types, attributes.join(", "));
}

/** The axes of a tensor from the one whose elements lie side by side to the outermost. */
function rowMajor({ shape }: TensorType): string {
  const axes = shape.map((_, i) => shape.length - 1 - i);
  return `dense<[${axes.join(", ")}]> : tensor<${axes.length}xindex>`;
}

/** A text as MLIR reads it back. */
const stringText = (text: string): string =>
  `"${text.replace(/[\\"]|[^ -~]/g, (c) => [...Buffer.from(c)].map((byte) => `\\${byte.toString(16).padStart(2, "0").toUpperCase()}`).join(""))}"`;
