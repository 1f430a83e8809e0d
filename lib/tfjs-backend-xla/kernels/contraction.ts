import * as tf from "@tensorflow/tfjs-core";
import { sum, transpose, type Value } from "../stablehlo";
import { fused } from "./activation";
import { dot } from "./dot";
import { asTensor, matrixBatch, type Kernel, type KernelDevice } from "./kernel";
import { nativeProduct } from "./native-product";
import { transposedProduct } from "./transposed-product";

/** Products of matrices in the last two axes; the axes before are batches, which broadcast. */
function matMul(a: Value, b: Value, transposeA: boolean, transposeB: boolean, device: KernelDevice): Value {
  for (const { type } of [a, b])
    tf.util.assert(type.shape.length >= 2, () => `a matrix has two axes or more, not [${type.shape.join(", ")}]`);
  const native = device.hasProducts ? nativeProduct(a, b, transposeA, transposeB) : undefined;
  if (native) return native;
  const { batch, spread } = matrixBatch(a, b);
  const [left, right] = [spread(a), spread(b)];
  const onCpu = device.kind === "cpu" && transposeA && !transposeB ? transposedProduct(left, right) : undefined;
  if (onCpu) return onCpu;
  const axes = batch.map((_, i) => i);
  const inner = batch.length;
  return dot(left, right, {
    batch: [axes, axes],
    contract: [[inner + (transposeA ? 0 : 1)], [inner + (transposeB ? 1 : 0)]],
  });
}

const product = (...[{ a, b }, { transposeA, transposeB }, device]: Parameters<Kernel>): Value =>
  matMul(a, b, Boolean(transposeA), Boolean(transposeB), device);

/** Sums of products over the labels that the result lacks; operands are contracted from left to right. */
const einsum: Kernel = (inputs, { equation }, device) => {
  const operands = Object.values(inputs);
  const { allDims, summedDims, idDims } = tf.backend_util.decodeEinsumEquation(equation as string, operands.length);
  const shapes = operands.map(asTensor);
  tf.backend_util.checkEinsumDimSizes(allDims.length, idDims, shapes);
  const output = allDims.map((_, i) => i).filter((label) => !summedDims.includes(label));
  let [value, labels] = [operands[0], idDims[0]];
  for (let i = 1; i < operands.length; i++) {
    const later = new Set([...output, ...idDims.slice(i + 1).flat()]);
    [value, labels] = contract(value, labels, operands[i], idDims[i], later, device);
  }
  const gone = labels.flatMap((label, axis) => (output.includes(label) ? [] : [axis]));
  const left = labels.filter((label) => output.includes(label));
  return transpose(
    sum(value, gone),
    output.map((label) => left.indexOf(label)),
  );
};

function contract(
  a: Value,
  aLabels: readonly number[],
  b: Value,
  bLabels: readonly number[],
  needed: ReadonlySet<number>,
  device: KernelDevice,
): [Value, number[]] {
  const shared = aLabels.filter((label) => bLabels.includes(label));
  const batch = shared.filter((label) => needed.has(label));
  const summed = shared.filter((label) => !needed.has(label));
  const free = (labels: readonly number[]) => labels.filter((label) => !shared.includes(label));
  const result = [...batch, ...free(aLabels), ...free(bLabels)];
  const inner = batch.length;
  const isMatrix = (labels: readonly number[]) =>
    labels.length === inner + 2 && batch.every((label, axis) => labels[axis] === label);
  if (device.hasProducts && summed.length === 1 && isMatrix(aLabels) && isMatrix(bLabels)) {
    const native = nativeProduct(a, b, aLabels[inner] === summed[0], bLabels[inner] !== summed[0]);
    if (native) return [native, result];
  }
  const at = (labels: readonly number[], wanted: readonly number[]) => wanted.map((label) => labels.indexOf(label));
  const value = dot(a, b, {
    batch: [at(aLabels, batch), at(bLabels, batch)],
    contract: [at(aLabels, summed), at(bLabels, summed)],
  });
  return [value, result];
}

/** Kernels that sum products. */
export const CONTRACTION = {
  BatchMatMul: product,
  _FusedMatMul: fused(product),
  Einsum: einsum,
} as const satisfies Record<string, Kernel>;
