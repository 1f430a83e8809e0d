import type { Cut } from "./cut";
import type { PieceLengths } from "./cut/split";

/** A package of the npm registry, pinned by version and by the registry's own integrity string. */
export interface NpmPackage {
  ecosystem: "npm";
  package: string;
  version: string;
  /** `dist.integrity`: "sha512-" and base64. */
  integrity: string;
}

/** A wheel of PyPI, pinned by version, file name and SHA-256 (hexadecimal). */
export interface PypiPackage {
  ecosystem: "pypi";
  package: string;
  version: string;
  wheel: string;
  sha256: string;
}

/** A package of Debian, pinned by version, architecture and SHA-256 (hexadecimal). */
export interface DebianPackage {
  ecosystem: "debian";
  package: string;
  version: string;
  architecture: string;
  sha256: string;
}

export type PinnedPackage = NpmPackage | PypiPackage | DebianPackage;

/** Some files of a package, and how documents are cut from them. */
export type CorpusSource = PinnedPackage & {
  /** Of the text; the package's own where it differs. */
  licence: string;
  domain: string;
  /** Files are taken when their path inside the archive matches `include` and not `exclude`. */
  include: RegExp;
  exclude?: RegExp;
  /** An archive in the package whose files are taken instead of the package's own. */
  inside?: RegExp;
  cut: Cut;
};

export interface DomainDefinition {
  name: string;
  description: string;
  /** UTF-8 bytes kept; whole source files are drawn until it is reached. */
  maxBytes: number;
}

/** What a corpus is built from: the default export of `data/<name>/sources.ts`. */
export interface CorpusDefinition {
  name: string;
  description: string;
  /** A name that `loadTokenizer` knows, or a path. */
  tokenizer: string;
  /** Share of each domain's bytes that is kept from training, at least. */
  heldOutFraction: number;
  /** Share of each domain's bytes that is set apart for validation; none by default. */
  validationFraction?: number;
  /** Characters of a document: longer files are cut. 4 000, and at most 8 000, by default. */
  documentLengths?: PieceLengths;
  /**
   * Documents that are more alike to an earlier one are dropped, and after the split test and validation documents that
   * are as alike to one in training: the Jaccard similarity of their word 5-grams, 0 to 1. All are kept by default.
   */
  maxSimilarity?: number;
  domains: readonly DomainDefinition[];
  sources: readonly CorpusSource[];
}

/** A name for a package that is unique within a corpus, such as `npm:zod@4.6.7`. */
export function packageId({ ecosystem, package: name, version }: PinnedPackage): string {
  return `${ecosystem}:${name}@${version}`;
}
