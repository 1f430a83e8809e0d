import { currentPrecision } from "../precision";
import { convert, dotGeneral, type DotDimensions, type Value } from "../stablehlo";

/** A contraction as the current precision asks for it: the result is f32 where the operands are. Integers are contracted as they are. */
export function dot(a: Value, b: Value, dimensions: DotDimensions): Value {
  if (a.type.dtype !== "f32" || b.type.dtype !== "f32") return dotGeneral(a, b, dimensions);
  const policy = currentPrecision();
  if (policy !== "bf16") return dotGeneral(a, b, dimensions, "f32", policy === "highest" ? "HIGHEST" : "DEFAULT");
  return convert(dotGeneral(convert(a, "bf16"), convert(b, "bf16"), dimensions, "bf16"), "f32");
}
