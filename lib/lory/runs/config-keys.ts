import { nearestName } from "../models";
import { CONFIG_KEYS } from "../models/config-keys";
import { OPTIMIZER_KEYS, RUN_KEYS } from "../train/config-json";
import type { RunConfigInput } from "../train";

type Json = Readonly<Record<string, unknown>>;

/** Keys of the parts of a run's configuration, by the part that they may be named without. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  model: ["preset", ...Object.keys(CONFIG_KEYS)],
  optimizer: Object.keys(OPTIMIZER_KEYS),
};
/** Parts are set by their keys: as a whole one would take the others' place. */
const RUN_NAMES = Object.keys(RUN_KEYS).filter((key) => !Object.hasOwn(PARTS, key));

/**
 * The path of a key in a run's configuration: `seed`, `model.numExperts`, `optimizer.learningRate`. The part may be left
 * out: `numExperts` is `model.numExperts`.
 *
 * @throws Error that names the nearest key if there is none of that name
 */
export function configPath(key: string): string {
  if (RUN_NAMES.includes(key)) return key;
  const [head, ...rest] = key.split(".");
  if (rest.length > 0 && RUN_NAMES.includes(head)) return key;
  const paths = Object.entries(PARTS).flatMap(([part, names]) => names.map((name) => `${part}.${name}`));
  const found = paths.find((path) => path === key || path.slice(path.indexOf(".") + 1) === key);
  if (found !== undefined) return found;
  const nearest = nearestName(key, [...RUN_NAMES, ...Object.values(PARTS).flat(), ...paths]);
  throw new Error(`a run's configuration has no key "${key}": did you mean "${nearest}"?`);
}

/**
 * The configuration with some keys set. Each value is checked where the run is opened.
 *
 * @param settings by path, see `configPath`
 * @throws Error if there is no such key
 */
export function withSettings(config: RunConfigInput, settings: Json): RunConfigInput {
  let changed = config as unknown as Json;
  for (const [key, value] of Object.entries(settings)) changed = withPath(changed, configPath(key).split("."), value);
  return changed as unknown as RunConfigInput;
}

function withPath(object: Json, [head, ...rest]: readonly string[], value: unknown): Json {
  if (rest.length === 0) return { ...object, [head]: value };
  const inner = object[head];
  return {
    ...object,
    [head]: withPath(typeof inner === "object" && inner !== null ? (inner as Json) : {}, rest, value),
  };
}

/** Every key of a configuration by its path: `{ "model.numExperts": 8 }`; lists stay values. */
export function flatConfig(config: object, prefix = ""): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(config).flatMap(([key, value]): [string, unknown][] =>
      typeof value === "object" && value !== null && !Array.isArray(value)
        ? Object.entries(flatConfig(value as object, `${prefix}${key}.`))
        : [[prefix + key, value]],
    ),
  );
}
