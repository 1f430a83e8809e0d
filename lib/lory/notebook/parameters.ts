import { display } from "./display";
import { table } from "./table";

export type ParameterValue = number | string | boolean;
export type ParameterValues = Readonly<Record<string, ParameterValue>>;

/** A parameter cannot be read; the message names the variable, what it holds and what is expected. */
export class ParameterError extends Error {
  override readonly name = "ParameterError";
}

/**
 * A notebook's parameters: one of several presets, picked by the environment variable PRESET (default `cpu`), each value
 * replaced by the environment variable of its own name in capitals where that is set: `trainTokens` by `TRAIN_TOKENS`.
 * A variable is read as the preset's value is: a number (`700000`, `7e5`, `700_000`), `true` or `false`, or text. What is
 * in force is shown, and where it comes from.
 *
 *     const p = parameters({ ci: { trainTokens: 20_000 }, cpu: { trainTokens: 700_000 }, gpu: { trainTokens: 1e9 } });
 *
 * @throws ParameterError if PRESET names no preset or a variable does not parse
 */
export function parameters<Name extends string, Values extends ParameterValues>(
  presets: Readonly<Record<Name, Values>>,
  env: NodeJS.ProcessEnv = process.env,
): Readonly<Values> & { readonly preset: Name } {
  const names = Object.keys(presets) as Name[];
  const asked = env.PRESET || "cpu";
  const preset = names.find((name) => name === asked);
  if (preset === undefined) throw new ParameterError(`PRESET is "${asked}": give ${names.join(", ")}`);
  const origins: Record<string, string> = {};
  const values = Object.entries(presets[preset] as ParameterValues).map(([key, value]) => {
    const variable = variableName(key);
    const text = env[variable];
    origins[key] = text === undefined ? "" : `from ${variable}`;
    return [key, text === undefined ? value : parse(text, value, variable)] as const;
  });
  const rows = values.map(([key, value]) => ({ parameter: key, value: String(value), "": origins[key] }));
  display(table(rows, { caption: `Preset ${preset}` }));
  return { ...(Object.fromEntries(values) as Values), preset };
}

/** The environment variable that replaces a parameter: `trainTokens` becomes `TRAIN_TOKENS`. */
export function variableName(key: string): string {
  return key.replace(/([a-z0-9])([A-Z])/g, "$1_$2").toUpperCase();
}

function parse(text: string, preset: ParameterValue, variable: string): ParameterValue {
  if (typeof preset === "string") return text;
  if (typeof preset === "boolean") {
    if (text === "true" || text === "false") return text === "true";
    throw new ParameterError(`${variable} is "${text}": give true or false`);
  }
  const value = Number(text.replace(/(?<=\d)_(?=\d)/g, ""));
  if (text.trim() === "" || !Number.isFinite(value))
    throw new ParameterError(`${variable} is "${text}": give a number`);
  return value;
}
