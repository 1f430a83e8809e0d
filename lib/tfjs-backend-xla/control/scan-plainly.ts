import * as tf from "@tensorflow/tfjs-core";
import { flatten, isTensor, mapLeaves } from "../trace/tree";
import { demandSameTree, type Leaves } from "./tree";

/** `scan` as a loop of kernels, for backends that run them one by one. `order` gives the element that each step takes. */
export function scanPlainly<C, X, Y>(
  name: string,
  step: (carry: Leaves<C>, x: Leaves<X>) => readonly [Leaves<C>, Y],
  carry: C,
  xs: X,
  { length, order }: { readonly length: number; order: (n: number) => number },
): [Leaves<C>, Leaves<Y>] {
  const start = flatten(carry);
  return tf.tidy(() => {
    const rows: { tensors: tf.Tensor[]; tree: unknown }[] = [];
    let current = mapLeaves(carry, isTensor, (tensor) => tf.clone(tensor)) as Leaves<C>;
    for (let n = 0; n < length; n++) {
      const at = order(n);
      const [next, y] = tf.tidy(() => {
        const x = mapLeaves(xs, isTensor, (t) => tf.reshape(tf.slice(t, at, 1), t.shape.slice(1))) as Leaves<X>;
        return step(current, x) as unknown as tf.TensorContainer[];
      }) as unknown as [Leaves<C>, Y];
      demandSameTree(`the next carry of ${name}`, start, flatten(next, `the next carry of ${name}`));
      const row = flatten(y, `y of ${name}`).tensors;
      const needed = new Set([...flatten(next).tensors, ...row]);
      for (const tensor of flatten(current).tensors) if (!needed.has(tensor)) tensor.dispose();
      current = next;
      rows[at] = { tensors: row, tree: y };
    }
    const ys = mapLeaves(rows[0].tree, isTensor, (_, i) => tf.stack(rows.map(({ tensors }) => tensors[i])));
    return [current, ys] as unknown as tf.TensorContainer[];
  }) as unknown as [Leaves<C>, Leaves<Y>];
}
