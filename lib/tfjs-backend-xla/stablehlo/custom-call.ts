/** Calls of functions that a plugin knows by name. Source: the StableHLO specification. */
import type { TensorType } from "./types";
import { makeOp, type Value } from "./value";

/** The axes of a tensor from the one whose elements lie side by side to the outermost. */
type Layout = readonly number[];

/** What a target alone understands: a text, or values by name for one that takes them typed. */
type Config = string | Readonly<Record<string, boolean>>;

/**
 * A call of `target` with a configuration. The name is looked up when the program is compiled: one that is not listed for the device
 * (`checkCustomCalls`) is an error there. The specification's API_VERSION_STATUS_RETURNING (2) with a text, API_VERSION_TYPED_FFI (4) with values.
 *
 * @param layoutOf how operands and results of a type lie in memory; in row-major order unless it says otherwise
 */
export function customCall(
  target: string,
  operands: readonly Value[],
  types: readonly TensorType[],
  config: Config,
  layoutOf: (type: TensorType) => Layout = rowMajor,
): readonly Value[] {
  const layouts = (all: readonly TensorType[]): string => all.map((type) => layoutText(layoutOf(type))).join(", ");
  const attributes = [
    `api_version = ${typeof config === "string" ? 2 : 4} : i32`,
    `backend_config = ${typeof config === "string" ? stringText(config) : dictionaryText(config)}`,
    `call_target_name = ${stringText(target)}`,
    "called_computations = []",
    "has_side_effect = false",
    `operand_layouts = [${layouts(operands.map(({ type }) => type))}]`,
    `result_layouts = [${layouts(types)}]`,
  ];
  return makeOp("custom_call", operands, types, attributes.join(", "));
}

export const rowMajor = ({ shape }: TensorType): Layout => shape.map((_, i) => shape.length - 1 - i);

const layoutText = (axes: Layout): string => `dense<[${axes.join(", ")}]> : tensor<${axes.length}xindex>`;

/** A text as MLIR reads it back. */
const stringText = (text: string): string =>
  `"${text.replace(/[\\"]|[^ -~]/g, (c) => [...Buffer.from(c)].map((byte) => `\\${byte.toString(16).padStart(2, "0").toUpperCase()}`).join(""))}"`;

const dictionaryText = (values: Readonly<Record<string, boolean>>): string =>
  `{${Object.entries(values)
    .map(([name, value]) => `${name} = ${value}`)
    .join(", ")}}`;
