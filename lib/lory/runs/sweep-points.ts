import { refuseUnknownKeys } from "../models";
import { runConfig, type RunConfig, type RunConfigInput } from "../train";
import { configPath, withSettings } from "./config-keys";

/** Values by key; keys as in `configPath`. */
export type Settings = Readonly<Record<string, unknown>>;

/** What a sweep varies: lists of values, all combinations of which are trained, or the combinations one by one. */
export type SweepSpace = Readonly<Record<string, readonly unknown[]>> | readonly Settings[];

/** One training of a sweep. */
export interface SweepPoint {
  /** The seed included. */
  readonly settings: Settings;
  /** The whole configuration; absent where the settings do not go together. */
  readonly config?: RunConfig;
  /** Why they do not. */
  readonly error?: string;
}

/**
 * The trainings of a sweep, in the order in which they are done: everything with the first seed, then with the next, so that a
 * sweep which is cut short has whole panels.
 *
 * @param base what the trainings have in common
 * @param seeds the base's own without them
 * @throws Error for an unknown key, an empty list, or a space that is neither
 */
export function sweepPoints(space: SweepSpace, base: RunConfigInput, seeds?: readonly number[]): SweepPoint[] {
  if (typeof space !== "object" || space === null) {
    throw new TypeError(`a sweep is an object of lists or a list of objects, not ${JSON.stringify(space)}`);
  }
  const combinations = Array.isArray(space) ? (space as readonly Settings[]) : product(space as Settings);
  if (combinations.length === 0) throw new Error("the sweep is empty: give at least one setting");
  if (seeds?.length === 0) throw new Error("the sweep has no seeds: give at least one, or leave them out");
  if (seeds !== undefined && combinations.some((settings) => "seed" in settings)) {
    throw new Error("the sweep varies seed and has seeds as well: give one of both");
  }
  return (seeds ?? [base.seed ?? 0]).flatMap((seed) =>
    combinations.map((settings): SweepPoint => {
      const own = { seed, ...settings };
      const input = withSettings(base, own);
      try {
        return { settings: own, config: runConfig(input) };
      } catch (error) {
        return { settings: own, error: error instanceof Error ? error.message : String(error) };
      }
    }),
  );
}

/** All combinations of the values; the last key varies fastest. */
function product(axes: Settings): Settings[] {
  let combinations: Settings[] = [{}];
  for (const [key, values] of Object.entries(axes)) {
    configPath(key);
    if (!Array.isArray(values)) {
      throw new TypeError(`${key} is ${JSON.stringify(values)} in a sweep: expected a list of values`);
    }
    combinations = combinations.flatMap((each) => values.map((value: unknown) => ({ ...each, [key]: value })));
  }
  return combinations;
}

/** A sweep as data: what `lory sweep` reads. */
export interface SweepFile {
  readonly base: unknown;
  readonly space: SweepSpace;
  readonly seeds?: readonly number[];
  readonly budget?: { readonly tokens?: number; readonly minutes?: number };
}

/**
 * Reads a sweep's file: `{ "base": {...}, "grid": { "segmentLength": [64, 128] }, "seeds": [0, 1] }`, or with `"list"`, a list of
 * settings, in place of the grid.
 *
 * @throws Error that names what is missing or unknown
 */
export function sweepFromJson(json: unknown): SweepFile {
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new TypeError("a sweep's file is an object");
  refuseUnknownKeys("a sweep's file", json, ["base", "grid", "list", "seeds", "budget"]);
  const { base, grid, list, seeds, budget } = json as Record<string, unknown>;
  if (base === undefined) throw new Error("a sweep's file lacks the key \"base\": a run's configuration");
  if ((grid === undefined) === (list === undefined)) throw new Error('a sweep\'s file has one of "grid" and "list"');
  if (seeds !== undefined && !(Array.isArray(seeds) && seeds.every((seed) => Number.isSafeInteger(seed)))) {
    throw new TypeError(`seeds is ${JSON.stringify(seeds)} in a sweep's file: expected a list of whole numbers`);
  }
  if (budget !== undefined) refuseUnknownKeys("a sweep's budget", budget as object, ["tokens", "minutes"]);
  return { base, space: (grid ?? list) as SweepSpace, seeds, budget: budget as SweepFile["budget"] };
}
