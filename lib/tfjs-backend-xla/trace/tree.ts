import * as tf from "@tensorflow/tfjs-core";

/** A tree taken apart: its tensors in order, and a text that two trees share if and only if they differ in tensors alone. */
export interface FlatTree {
  readonly tensors: tf.Tensor[];
  readonly structure: string;
}

/**
 * Takes apart plain objects and arrays of tensors, numbers, strings, booleans, null and undefined.
 * @throws {TypeError} for anything else, with the path to it.
 */
export function flatten(tree: unknown, root = "argument"): FlatTree {
  const tensors: tf.Tensor[] = [];
  const visit = (node: unknown, path: string): string => {
    if (isTensor(node)) {
      tensors.push(node);
      return "*";
    }
    if (Array.isArray(node)) return `[${node.map((child, i) => visit(child, `${path}[${i}]`)).join()}]`;
    if (isPlainObject(node)) {
      const parts = Object.entries(node).map(
        ([key, child]) => `${JSON.stringify(key)}:${visit(child, `${path}.${key}`)}`,
      );
      return `{${parts.join()}}`;
    }
    if (node === null || node === undefined || typeof node === "boolean") return String(node);
    if (typeof node === "number") return Object.is(node, -0) ? "-0" : String(node);
    if (typeof node === "string") return JSON.stringify(node);
    throw new TypeError(
      `${path} is ${describe(node)}: a compiled function takes and returns tensors, numbers, strings and booleans in plain objects and arrays`,
    );
  };
  return { tensors, structure: visit(tree, root) };
}

/** Paths to a tree's leaves, and what they are: a tensor's type and shape, another value's text. */
export function leavesOf(tree: unknown, root: string): [path: string, text: string][] {
  if (isTensor(tree)) return [[root, `${tree.dtype} [${tree.shape.join(", ")}]`]];
  if (Array.isArray(tree)) return tree.flatMap((child, i) => leavesOf(child, `${root}[${i}]`));
  if (isPlainObject(tree)) return Object.entries(tree).flatMap(([key, child]) => leavesOf(child, `${root}.${key}`));
  return [[root, typeof tree === "string" ? JSON.stringify(tree) : String(tree)]];
}

/** The tree with its leaves of one class, in order, replaced. */
export function mapLeaves<L>(
  tree: unknown,
  isLeaf: (node: unknown) => node is L,
  replace: (leaf: L, index: number) => unknown,
): unknown {
  let next = 0;
  const visit = (node: unknown): unknown => {
    if (isLeaf(node)) return replace(node, next++);
    if (Array.isArray(node)) return node.map(visit);
    if (isPlainObject(node)) return Object.fromEntries(Object.entries(node).map(([key, child]) => [key, visit(child)]));
    return node;
  };
  return visit(tree);
}

export const isTensor = (node: unknown): node is tf.Tensor => node instanceof tf.Tensor;

/** Whether a value is an object literal. */
export function isPlainObject(node: unknown): node is Record<string, unknown> {
  if (typeof node !== "object" || node === null) return false;
  const prototype: unknown = Object.getPrototypeOf(node);
  // objects of a notebook's cells come from another realm, whose Object.prototype is another object
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function describe(node: unknown): string {
  return typeof node === "object" && node !== null ? `an instance of ${node.constructor.name}` : `a ${typeof node}`;
}
