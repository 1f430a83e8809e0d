/** Smallest number of insertions, deletions and replacements that make `b` of `a` (Levenshtein). */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = previous[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[j] + 1, current[j - 1] + 1));
    }
    previous = current;
  }
  return previous[b.length];
}

/** `name` in lower case without `_` and `-`: `d_model` is as near to `dModel` as can be. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[_-]/g, "");

/** The known name that is nearest to a given one. */
export function nearestName(given: string, known: readonly string[]): string {
  const distance = (name: string): number => editDistance(plain(given), plain(name));
  return known.reduce((best, name) => (distance(name) < distance(best) ? name : best));
}

/**
 * Refuses keys that a configuration does not have.
 *
 * @param what the configuration's name, for the message
 * @throws Error that names the key, the nearest known one and all known ones
 */
export function refuseUnknownKeys(what: string, given: object, known: readonly string[]): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    throw new Error(
      `${what} has no key "${key}": did you mean "${nearestName(key, known)}"? Known keys: ${known.join(", ")}`,
    );
  }
}
