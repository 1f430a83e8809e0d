import path from "node:path";

/** The clone, or what is laid out as one, also for a build. */
export const ROOT = path.resolve(path.dirname(require.resolve("lory/package.json")), "../..");

/** Node's arguments before a program of this library, which lies there as this file does: as a source by ts-node, or built as it is. */
export const TS_NODE: readonly string[] = __filename.endsWith(".ts")
  ? ["--require", path.join(ROOT, "node_modules/ts-node/register/transpile-only.js")]
  : [];
