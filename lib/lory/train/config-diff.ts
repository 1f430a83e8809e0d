import { configJson } from "./config-json";
import type { RunConfig } from "./run-config";

/** A key that two configurations do not agree on. */
export interface ConfigDifference {
  /** As in `config.json`, parts joined by dots: `optimizer.learning_rate`. */
  readonly key: string;
  /** What each has there; undefined where it has no such key. */
  readonly values: readonly [unknown, unknown];
}

/** Where two runs' configurations differ, key by key, in the order of the keys. */
export function configDifferences(one: RunConfig, other: RunConfig): ConfigDifference[] {
  const [first, second] = [one, other].map((config) => entries(JSON.parse(configJson(config)) as object));
  const keys = new Set([...first.keys(), ...second.keys()]);
  return [...keys]
    .map((key): ConfigDifference => ({ key, values: [first.get(key), second.get(key)] }))
    .filter(({ values: [a, b] }) => JSON.stringify(a) !== JSON.stringify(b));
}

/** Differences in words, the first configuration being that of `where`. */
export function differencesText(differences: readonly ConfigDifference[], where: string): string {
  const texts = differences.map(
    ({ key, values: [there, here] }) =>
      `${key} is ${JSON.stringify(there)} in ${where} and ${JSON.stringify(here)} here`,
  );
  return texts.join("; ");
}

/** What of a run: its configuration, and the hashes of what else determines it. */
interface Identified {
  readonly config: RunConfig;
  readonly corpusHash: string;
  readonly codeHash: string;
  readonly orderHash?: string;
}

/** Why two trainings are not the same, in words; nothing if nothing tells them apart. The first is that of `where`. */
export function identityDifferences(one: Identified, other: Identified, where: string): string[] {
  const differences = configDifferences(one.config, other.config);
  return [
    ...(differences.length > 0 ? [differencesText(differences, where)] : []),
    ...(one.corpusHash === other.corpusHash ? [] : [`the corpus has other content than it had in ${where}`]),
    ...(one.orderHash === other.orderHash ? [] : [`the documents stand in another order than in ${where}`]),
    ...(one.codeHash === other.codeHash ? [] : [`the library's code is not that of ${where}`]),
  ];
}

function entries(value: object, prefix = ""): Map<string, unknown> {
  const list = Object.entries(value).flatMap(([key, entry]: [string, unknown]): [string, unknown][] =>
    typeof entry === "object" && entry !== null && !Array.isArray(entry)
      ? [...entries(entry, `${prefix}${key}.`)]
      : [[`${prefix}${key}`, entry]],
  );
  return new Map(list);
}
