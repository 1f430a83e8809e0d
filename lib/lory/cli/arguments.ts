import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Options by name, as `parseArgs` of Node takes them. */
export type OptionTable = Readonly<
  Record<string, { readonly type: "string" | "boolean"; readonly multiple?: boolean }>
>;

/** The arguments are wrong: the program says how they should be. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** @throws UsageError if the value is not there */
export function required(value: string | undefined, name: string): string {
  if (value === undefined) throw new UsageError(`${name} is missing`);
  return value;
}

/** What options hold that were given; the others are absent. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]?: T[K] extends { multiple: true }
    ? string[]
    : T[K] extends { type: "boolean" }
      ? boolean
      : string;
};

/**
 * A command's options, and its one positional argument.
 *
 * @param name of the positional argument
 * @throws UsageError for unknown options and more arguments than one
 */
export function parseArguments<T extends OptionTable>(
  args: string[],
  name: string,
  options: T,
): { readonly values: OptionValues<T>; readonly argument: string } {
  const { values, positionals } = parsedArguments(args, options);
  if (positionals.length > 1) throw new UsageError(`one ${name} is expected, not ${positionals.join(" and ")}`);
  return { values, argument: required(positionals[0], name) };
}

/**
 * The options of a command that takes nothing else.
 *
 * @throws UsageError for unknown options, and for what is none
 */
export function parseOptions<T extends OptionTable>(args: string[], options: T): { readonly values: OptionValues<T> } {
  const { values, positionals } = parsedArguments(args, options);
  if (positionals.length > 0) throw new UsageError(`only options are expected, not ${positionals.join(" and ")}`);
  return { values };
}

function parsedArguments<T extends OptionTable>(
  args: string[],
  options: T,
): { readonly values: OptionValues<T>; readonly positionals: readonly string[] } {
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** @throws Error that names the file if it is not there or no JSON */
export function readJsonFile(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as unknown;
  } catch (error) {
    throw new Error(`cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

/**
 * `key=value` pairs as settings; a value is read as JSON where it is some, else as text: `seed=1`, `corpus=quickstart`.
 *
 * @throws UsageError for a pair without `=`
 */
export function parseSettings(pairs: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair): [string, unknown] => {
      const at = pair.indexOf("=");
      if (at < 1) throw new UsageError(`--set ${pair}: expected key=value`);
      return [pair.slice(0, at), parsedValue(pair.slice(at + 1))];
    }),
  );
}

function parsedValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** @throws UsageError unless the text is a number above 0 */
export function positiveNumber(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new UsageError(`${name} ${text}: expected a number above 0`);
  return value;
}
