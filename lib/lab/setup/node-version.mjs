import { SetupError } from "./errors.mjs";

/** The oldest minor versions that can `require` modules of both kinds, by major version; newer majors all can. */
const OLDEST_MINOR = new Map([
  [20, 19],
  [22, 12],
]);

/** Whether a version of Node.js runs Lory. @param {string} version such as "20.19.0" */
export function isSupportedNode(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 22 || minor >= (OLDEST_MINOR.get(major) ?? Infinity);
}

/** @throws {SetupError} if this Node.js is too old, or runs on a system that Lory does not */
export function checkNode(version = process.versions.node, platform = process.platform) {
  if (platform === "win32")
    throw new SetupError("Lory runs on Linux and macOS; on Windows, inside WSL (wsl --install).");
  if (isSupportedNode(version)) return;
  throw new SetupError(
    `Node.js 20.19, 22.12 or newer is needed; this is ${version} (${process.execPath}). Install one from nodejs.org or with: nvm install 22`,
  );
}
