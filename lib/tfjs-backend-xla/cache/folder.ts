import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";

/** Names the folder of compiled programs, or switches them off. */
export const FOLDER_VARIABLE = "XLA_CACHE_DIR";
/** Bounds the folder's size. */
export const LIMIT_VARIABLE = "XLA_CACHE_MAX_MB";

const OFF = new Set(["off", "none", "0", "false"]);
const DEFAULT_LIMIT_MB = 2048;
const MB = 2 ** 20;

/**
 * Where compiled programs are kept: the folder that `XLA_CACHE_DIR` names; else `.cache/xla` of the checkout that this package is a
 * workspace of; else the user's folder for caches. Nothing where `XLA_CACHE_DIR` is `off`.
 *
 * @param from the folder of this package's code
 */
export function cacheFolder(
  environment: NodeJS.ProcessEnv = process.env,
  from: string = __dirname,
): string | undefined {
  const named = environment[FOLDER_VARIABLE];
  if (named) return OFF.has(named.toLowerCase()) ? undefined : path.resolve(named);
  const checkout = checkoutOf(from);
  return checkout === undefined
    ? path.join(userCaches(environment), "tfjs-backend-xla")
    : path.join(checkout, ".cache", "xla");
}

/**
 * Bytes that the folder may take: `XLA_CACHE_MAX_MB` (in units of 2^20 bytes), 2048 of them by default.
 * @throws {RangeError} when the variable is no positive number
 */
export function cacheLimitBytes(environment: NodeJS.ProcessEnv = process.env): number {
  const given = environment[LIMIT_VARIABLE] || String(DEFAULT_LIMIT_MB);
  const megabytes = Number(given);
  if (!(megabytes > 0)) throw new RangeError(`${LIMIT_VARIABLE} is "${given}": expected a positive number`);
  return megabytes * MB;
}

/** The nearest folder above whose package has workspaces; none for a package that was installed. */
function checkoutOf(from: string): string | undefined {
  if (from.split(path.sep).includes("node_modules")) return undefined;
  for (let folder = from; ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, "package.json");
    if (existsSync(manifest) && "workspaces" in (JSON.parse(readFileSync(manifest, "utf8")) as object)) return folder;
    if (path.dirname(folder) === folder) return undefined;
  }
}

function userCaches(environment: NodeJS.ProcessEnv): string {
  const home = os.homedir();
  if (process.platform === "darwin") return path.join(home, "Library", "Caches");
  if (process.platform === "win32") return environment.LOCALAPPDATA || path.join(home, "AppData", "Local");
  const given = environment.XDG_CACHE_HOME;
  return given && path.isAbsolute(given) ? given : path.join(home, ".cache");
}
