import { flatten, isPlainObject, isTensor } from "./tree";

const identities = new WeakMap<object, number>();
let numIdentities = 0;

/**
 * A text that two static arguments share if and only if they stand for the same program: equal values, plain objects and arrays of equal
 * values, or the same function or instance.
 * @throws {TypeError} if the argument holds a tensor.
 */
export function staticText(value: unknown, what: string): string {
  if (isTensor(value))
    throw new TypeError(`${what} is a tensor, or holds one: a static argument is known before the program runs`);
  if (Array.isArray(value)) return `[${value.map((child) => staticText(child, what)).join()}]`;
  if (isPlainObject(value)) {
    const parts = Object.entries(value).map(([key, child]) => `${JSON.stringify(key)}:${staticText(child, what)}`);
    return `{${parts.join()}}`;
  }
  if (typeof value === "function" || (typeof value === "object" && value !== null)) {
    if (!identities.has(value)) identities.set(value, ++numIdentities);
    const name = typeof value === "function" ? `function ${value.name}` : value.constructor.name;
    return `<${name} #${identities.get(value)}>`;
  }
  if (typeof value === "bigint") return `${value}n`;
  return flatten(value, what).structure;
}
