// Shapes: R rows that are summed over, I and O columns of the operands; batches before them.
import { currentPrecision } from "../precision";
import { reshape, transpose, type Value } from "../stablehlo";
import { dot } from "./dot";

/** Below so many multiplications a product is done before another way to compute it could pay. */
const FEW_PRODUCTS = 2 ** 22;

/** With more rows to sum over, packing takes the library as long as it saves: a dense model's step was no faster with any of its products. */
const MOST_ROWS = 1024;

/** Fewer columns than these take another path of XLA's anyway. */
const FEW_COLUMNS = 8;

/**
 * `a^T b` of [..., R, I] and [..., R, O] in a form that XLA's fast library for CPUs takes, or undefined where there is no reason for one.
 *
 * The library takes no left operand that is summed over its rows as it lies, and XLA would fold a plain transpose back into the product, which
 * then is a slower one of Eigen's. Folding looks for transposes that a product reads directly, so the rows are cut in two for the turn: what
 * is left is a transpose that the library computes while it packs the operand. Of the gradients of merged experts in the small model
 * the batched products take up to a quarter less of the processor so, those by the bank up to half, and the whole step a tenth.
 */
export function transposedProduct(a: Value, b: Value): Value | undefined {
  const { shape } = a.type;
  const [batch, rows, left, right] = [shape.slice(0, -2), shape.at(-2)!, shape.at(-1)!, b.type.shape.at(-1)!];
  const isFloat = a.type.dtype === "f32" && b.type.dtype === "f32" && currentPrecision() !== "bf16";
  const count = batch.reduce((product, size) => product * size, rows * left * right);
  if (!isFloat || rows % 2 !== 0 || rows > MOST_ROWS || Math.min(left, right) < FEW_COLUMNS || count < FEW_PRODUCTS)
    return undefined;
  const axes = batch.map((_, i) => i);
  const inner = batch.length;
  return dot(turnedRows(a), b, { batch: [axes, axes], contract: [[inner + 1], [inner]] });
}

/** [..., R, I] to [..., I, R]. */
function turnedRows(x: Value): Value {
  const batch = x.type.shape.slice(0, -2);
  const [rows, columns] = x.type.shape.slice(-2);
  const inner = batch.length;
  const halves = reshape(x, [...batch, 2, rows / 2, columns]);
  const turned = transpose(halves, [...batch.map((_, i) => i), inner + 2, inner, inner + 1]);
  return reshape(turned, [...batch, columns, rows]);
}
