/**
 * Packages of Debian, fetched without root and without installing anything. A mirror keeps only the newest version of a
 * suite's package, so that a pinned one may be gone: the lock file of a corpus says which were taken, and can be renewed.
 */
import { CorpusError, messageOf } from "../corpus-error";
import { type DebianPackage, packageId } from "./definition";
import type { RunProgram } from "./packages";

/** What a lock file says of a package. */
export type DebianPin = Pick<DebianPackage, "version" | "architecture" | "sha256">;

export const DEBIAN_LOCK_FILE = "debian.json";

/** The lock file beside a table of sources: its packages by name. */
export type DebianLock = Readonly<Record<string, DebianPin>>;

/** The name under which apt-get stores a package. */
export function debianFileName({ package: name, version, architecture }: DebianPackage): string {
  return `${name}_${version.replaceAll(":", "%3a")}_${architecture}.deb`;
}

/**
 * Downloads a package into a folder.
 *
 * @throws CorpusError that says what to do when apt-get is missing or no longer offers the pinned version
 */
export async function downloadDebian(pinned: DebianPackage, folder: string, run: RunProgram): Promise<void> {
  const { package: name, version } = pinned;
  const byHand = `put ${debianFileName(pinned)} with SHA-256 ${pinned.sha256} into the package cache (.cache/packages)`;
  try {
    await run("apt-get", ["--version"], folder);
  } catch {
    throw new CorpusError(`${packageId(pinned)} is fetched by apt-get, which is not here: ${byHand}`);
  }
  try {
    await run("apt-get", ["download", "--quiet", `${name}=${version}`], folder);
  } catch (error) {
    throw new CorpusError(
      `apt-get does not offer ${packageId(pinned)}: ${byHand}, run apt-get update if its lists are old, or pin what it ` +
        `offers now, which makes another corpus: npm run data -- relock <corpus>\n${messageOf(error)}`,
    );
  }
}

/**
 * A lock file's packages in the versions that apt-get offers now.
 *
 * @throws CorpusError for a package that it does not know
 */
export async function renewedLock(names: readonly string[], cwd: string, run: RunProgram): Promise<DebianLock> {
  const renewed: Record<string, DebianPin> = {};
  for (const name of [...names].sort()) {
    const record = await run("apt-cache", ["show", "--no-all-versions", name], cwd);
    const field = (key: string) => new RegExp(`^${key}: (.*)$`, "m").exec(record)?.[1];
    const [version, architecture, sha256] = [field("Version"), field("Architecture"), field("SHA256")];
    if (version === undefined || architecture === undefined || sha256 === undefined) {
      throw new CorpusError(`apt-cache does not know the version, architecture and SHA256 of ${name}`);
    }
    renewed[name] = { version, architecture, sha256 };
  }
  return renewed;
}
