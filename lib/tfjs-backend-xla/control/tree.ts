import type * as tf from "@tensorflow/tfjs-core";
import type { FlatTree } from "../trace/tree";

/** Tensors, numbers, strings, booleans and null in plain objects and arrays. */
export type Tree =
  tf.Tensor | string | number | boolean | null | undefined | readonly Tree[] | { readonly [key: string]: Tree };

/** The same tree with tensors of any rank: what loops make of tensors has other shapes than TypeScript knew. */
export type Leaves<T> = T extends tf.Tensor ? tf.Tensor : T extends object ? { [K in keyof T]: Leaves<T[K]> } : T;

/** Throws unless two trees differ in their tensors' values alone. */
export function demandSameTree(what: string, expected: FlatTree, given: FlatTree): void {
  if (expected.structure !== given.structure)
    throw new Error(`${what}: a tree ${given.structure} comes out where ${expected.structure} went in (* is a tensor)`);
  expected.tensors.forEach((before, i) => {
    const after = given.tensors[i];
    if (describe(before) !== describe(after))
      throw new Error(`${what}: its tensor ${i} goes in as ${describe(before)} and comes out as ${describe(after)}`);
  });
}

const describe = ({ dtype, shape }: tf.Tensor): string => `${dtype} [${shape.join(", ")}]`;
