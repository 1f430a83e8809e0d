import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { CorpusError, messageOf } from "../corpus-error";
import { projectFolder } from "../project-folder";

/** Where `npm run setup -- --embeddings` puts packages that only embeddings need, relative to the checkout. */
export const ENCODER_PACKAGES = path.join(".cache", "embeddings-packages");

/** Whether a package for embeddings is here. */
export function hasEncoderPackage(name: string): boolean {
  return places().some((place) => existsSync(path.join(place, "node_modules", ...name.split("/"))));
}

/**
 * Loads a package that is not part of the plain set-up, since it is large: from where the set-up with `--embeddings` puts it, or from wherever Node
 * finds it.
 *
 * @throws CorpusError that says the command, if it is not there or does not load
 */
export function encoderPackage(name: string): unknown {
  const place = places().find((each) => existsSync(path.join(each, "node_modules", ...name.split("/"))));
  try {
    return createRequire(place ? path.join(place, "package.json") : __filename)(name) as unknown;
  } catch (error) {
    throw new CorpusError(
      place
        ? `${name} does not load on ${process.platform}-${process.arch}: ${messageOf(error)}`
        : `${name} is not part of the plain set-up: run npm run setup -- --embeddings`,
    );
  }
}

function places(): string[] {
  const root = projectFolder();
  return [path.join(root, ENCODER_PACKAGES), root];
}
