import { refuseUnknownKeys } from "../models";

/** A key's test, and what it asks for in words. */
export type Rule = { readonly expected: string; readonly holds: (value: unknown) => boolean };
/** A rule for every key. */
export type Rules<T> = { readonly [K in keyof T]-?: Rule };

/** Finite numbers that hold to something. */
export const number = (expected: string, holds: (value: number) => boolean): Rule => ({
  expected,
  holds: (value) => typeof value === "number" && Number.isFinite(value) && holds(value),
});
export const count = number("a whole number of at least 1", (value) => Number.isSafeInteger(value) && value >= 1);
export const beta = number("a number of at least 0 and below 1", (value) => value >= 0 && value < 1);
export const fraction = number("a number from 0 to 1", (value) => value >= 0 && value <= 1);
export const positive = number("a number above 0", (value) => value > 0);

export const record: Rule = { expected: "an object", holds: isRecord };
export const recordOrNull: Rule = {
  expected: "an object or null",
  holds: (value) => value === null || isRecord(value),
};
export const truth: Rule = { expected: "true or false", holds: (value) => typeof value === "boolean" };
/** One of these names. */
export const oneOf = (names: readonly string[]): Rule => ({
  expected: `one of ${names.join(", ")}`,
  holds: (value) => names.some((each) => each === value),
});

/** The object with its keys in the rules' order, once each of them is known, there, and as its rule asks. */
export function checked<T extends object>(what: string, given: T, rules: Rules<T>): T {
  const known = Object.keys(rules) as (keyof T & string)[];
  refuseUnknownKeys(what, given, known);
  for (const key of known) {
    const { expected, holds } = rules[key];
    if (!Object.hasOwn(given, key)) throw new TypeError(`${what} lacks the key "${key}": expected ${expected}`);
    if (!holds(given[key])) throw new TypeError(`${key} is ${shown(given[key])} in ${what}: expected ${expected}`);
  }
  return Object.fromEntries(known.map((key) => [key, given[key]])) as T;
}

/** Without the keys whose value is undefined: they take their default. */
export function defined<T extends object>(value: T): T {
  if (!isRecord(value)) throw new TypeError(`a run's configuration is an object, not ${shown(value)}`);
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as T;
}

/** Whether it is an object, and neither null nor a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
