import type * as tf from "@tensorflow/tfjs-core";
import type { FlatTree } from "../trace/tree";

/** The same tree with tensors of any rank: what loops make of tensors has other shapes than TypeScript knew. */
export type Leaves<T> = T extends tf.Tensor ? tf.Tensor : T extends object ? { [K in keyof T]: Leaves<T[K]> } : T;

/** Throws unless two trees differ in their tensors' values alone. */
export function demandSameTree(what: string, expected: FlatTree, given: FlatTree): void {
  if (expected.structure !== given.structure)
    throw new Error(`${what} is the tree ${given.structure}: it must be ${expected.structure} (* is a tensor)`);
  expected.tensors.forEach((before, i) => {
    const after = given.tensors[i];
    if (describe(before) !== describe(after))
      throw new Error(`tensor ${i} of ${what} is ${describe(after)}: it must be ${describe(before)}`);
  });
}

const describe = ({ dtype, shape }: tf.Tensor): string => `${dtype} [${shape.join(", ")}]`;
