// Shapes: G products of a batch, M and N rows and columns of the result, K terms of each sum.
import { PRODUCT_TARGET } from "../cpu";
import { currentPrecision } from "../precision";
import { convert, customCall, reshape, sizeOf, type Value } from "../stablehlo";
import { matrixBatch } from "./kernel";

/**
 * Multiplications for each number that is read or written, from which on native code is the faster: every number of the operands is taken
 * apart first. Cubes of 256 have 85, where both take as long; 128 x 64 x 512, as in attention, has 39 and takes XLA a tenth less.
 */
const FEWEST_A_NUMBER = 64;

/**
 * A product of matrices as a call of native code, or undefined where XLA's own is to compute it: for small or narrow ones, for other
 * types than f32, and for the precision `highest`. The native code rounds less often than XLA's dots in f32 do.
 *
 * @param a [..., M, K], or [..., K, M] with `transposeA`
 * @param b [..., K, N], or [..., N, K] with `transposeB`
 */
export function nativeProduct(a: Value, b: Value, transposeA: boolean, transposeB: boolean): Value | undefined {
  if (a.type.dtype !== "f32" || b.type.dtype !== "f32" || currentPrecision() === "highest") return undefined;
  const { batch, spread } = matrixBatch(a, b);
  const [m, k] = sides(a, transposeA);
  const [kOfB, n] = sides(b, transposeB);
  const count = sizeOf(batch);
  // Matrices that are all multiplied by the same one are one matrix, as long as they lie row after row.
  const isShared = !transposeA && sizeOf(b.type.shape) === k * n;
  const rows = isShared ? count * m : m;
  if (k !== kOfB || count * m * n * k === 0) return undefined;
  if ((rows * n * k) / (rows * k + k * n + rows * n) < FEWEST_A_NUMBER) return undefined;
  const [left, right] = isShared
    ? [reshape(spread(a), [1, rows, k]), reshape(b, [1, ...b.type.shape.slice(-2)])]
    : [a, b].map((x) => reshape(spread(x), [count, ...x.type.shape.slice(-2)]));
  const shape = isShared ? [1, rows, n] : [count, m, n];
  const bf16 = currentPrecision() === "bf16";
  const config = { a_turned: transposeA, b_turned: transposeB, bf16 };
  const [product] = customCall(PRODUCT_TARGET, [left, right], [{ dtype: "f32", shape }], config);
  return reshape(bf16 ? convert(convert(product, "bf16"), "f32") : product, [...batch, m, n]);
}

/** The last two axes of a matrix as it is multiplied. */
function sides({ type: { shape } }: Value, isTransposed: boolean): [number, number] {
  const [rows, columns] = shape.slice(-2);
  return isTransposed ? [columns, rows] : [rows, columns];
}
