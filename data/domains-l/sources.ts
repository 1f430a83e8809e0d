import type { CorpusDefinition, CorpusSource, DebianLock, DomainDefinition } from "lory/data";
import domainsS from "../domains-s/sources";
import lock from "./debian.json";

/** Where code is plentiful, no domain is to drown the scarce ones. */
const MOST_BYTES = 260_000_000;

type Part = Pick<CorpusSource, "domain" | "licence" | "include" | "exclude" | "inside" | "cut">;

/** Some files of a Debian package, in the version of the lock file. */
const debian = (name: keyof typeof lock, part: Part): CorpusSource => {
  const pins: DebianLock = lock;
  return { ecosystem: "debian", package: name, ...pins[name], ...part };
};

/** HTML pages of manuals; indices of functions and changes are no text. */
const pages = (name: keyof typeof lock, domain: string, licence: string, include = /\.html?(\.gz)?$/) =>
  debian(name, {
    domain,
    licence,
    include,
    exclude: /(^|\/)(genindex|py-modindex|search|searchindex|chooser|index_[a-z]+_)[^/]*\.html?$|\/_modules\//,
    cut: "html",
  });

const python = (name: keyof typeof lock, licence: string) =>
  debian(name, { domain: "python", licence, include: /\.pyx?$/, cut: "code" });

const tex = (name: keyof typeof lock) =>
  debian(name, {
    domain: "mathematics",
    licence: "each package as its authors permit, mostly LPPL-1.3",
    include: /\.tex(\.gz)?$/,
    cut: "tex",
  });

const sword = (name: keyof typeof lock) =>
  debian(name, { domain: "literature", licence: "public domain", include: /\/[on]t\.[bc]zz$/, cut: "sword" });

const dictionary = (name: keyof typeof lock, licence: string) =>
  debian(name, { domain: "dictionary", licence, include: /\.dict(\.dz)?$/, cut: "dictionary" });

const proofs = (name: keyof typeof lock, licence: string, include: RegExp) =>
  debian(name, { domain: "proofs", licence, include, cut: "proofs" });

/** Domains of domains-s under the names that they have here; mail is left out, since there is too little of it. */
const DOMAIN_OF: Readonly<Record<string, string>> = { speeches: "politics", law: "politics", factbook: "politics" };

const inherited = domainsS.sources
  .filter(({ domain }) => domain !== "mail" && domain !== "c")
  .map((source) => ({ ...source, domain: DOMAIN_OF[source.domain] ?? source.domain }));

const domains: readonly DomainDefinition[] = [
  ["literature", "plays, novels, the Bible and its commentaries"],
  ["dictionary", "GCIDE (Webster 1913), FOLDOC, Jargon File, WordNet"],
  ["mathematics", "Sage's reference manual, LaTeX sources, manuals of computer algebra"],
  ["manuals", "manuals of the kernel, languages, libraries, databases, desktops"],
  ["python", "Python sources"],
  ["c", "C sources of Linux"],
  ["typescript", "TypeScript and JavaScript sources"],
  ["proofs", "ACL2, Metamath, HOL Light, Coq, Agda"],
  ["politics", "addresses, an FAQ of anarchism, countries, licences, a constitution, Debian's policy"],
].map(([name, description]) => ({ name, description, maxBytes: MOST_BYTES }));

/** Everything that packages carry, Debian's too, for LLaMA's vocabulary. */
const domainsL: CorpusDefinition = {
  name: "domains-l",
  description:
    "Nine domains of everything that npm's, PyPI's and Debian's packages carry, in documents of about 450 tokens",
  tokenizer: "llama-32k",
  heldOutFraction: 0.02,
  validationFraction: 0.005,
  // At least four documents meet in 1 800 tokens.
  documentLengths: { target: 1600, max: 2400 },
  maxSimilarity: 0.7,
  domains,
  sources: [
    ...inherited,
    ...(["sword-text-web", "sword-text-kjv", "sword-comm-tdavid", "sword-comm-mhcc"] as const).map(sword),
    debian("r-cran-janeaustenr", {
      domain: "literature",
      licence: "public domain",
      include: /\/data\/Rdata\.rdb$/,
      cut: "rdata",
    }),

    dictionary("dict-gcide", "GPL-3.0-or-later"),
    dictionary("dict-foldoc", "GFDL-1.1-or-later"),
    dictionary("dict-jargon", "public domain"),

    pages("sagemath-doc", "mathematics", "CC-BY-SA-3.0", /\/html\/en\/.*\.html$/),
    ...(
      [
        "texlive-latex-base-doc",
        "texlive-latex-recommended-doc",
        "texlive-latex-extra-doc",
        "texlive-pictures-doc",
        "texlive-pstricks-doc",
        "texlive-science-doc",
        "texlive-publishers-doc",
        "texlive-humanities-doc",
        "texlive-lang-english",
      ] as const
    ).map(tex),
    debian("pari-doc", { domain: "mathematics", licence: "GPL-2.0-or-later", include: /\.tex$/, cut: "tex" }),
    debian("gretl-doc", { domain: "mathematics", licence: "GFDL-1.1", include: /\/tex\/.*\.tex(\.gz)?$/, cut: "tex" }),
    pages("gap-doc", "mathematics", "GPL-2.0-or-later"),
    pages("maxima-doc", "mathematics", "GPL-2.0-or-later"),
    pages("octave-doc", "mathematics", "GPL-3.0-or-later"),

    debian("linux-doc-6.1", {
      domain: "manuals",
      licence: "GPL-2.0",
      include: /\/Documentation\/.*\.(rst|txt)(\.gz)?$/,
      exclude: /\/translations\//,
      cut: "markdown",
    }),
    pages("python3.11-doc", "manuals", "PSF-2.0", /\/html\/.*\.html$/),
    debian("perl-doc", {
      domain: "manuals",
      licence: "Artistic-1.0-Perl or GPL-1.0-or-later",
      include: /\.pod$/,
      cut: "prose",
    }),
    pages("postgresql-doc-15", "manuals", "PostgreSQL"),
    pages("sqlite3-doc", "manuals", "public domain"),
    pages("libreoffice-help-en-us", "manuals", "MPL-2.0"),
    debian("git-doc", { domain: "manuals", licence: "GPL-2.0", include: /\.txt(\.gz)?$/, cut: "prose" }),
    pages("cppreference-doc-en-html", "manuals", "CC-BY-SA-3.0 or GFDL", /\/html\/en\/.*\.html$/),
    pages("libboost1.81-doc", "manuals", "BSL-1.0"),
    pages("qtbase5-doc-html", "manuals", "GFDL-1.3"),
    pages("qtdeclarative5-doc-html", "manuals", "GFDL-1.3"),
    pages("python-scipy-doc", "manuals", "BSD-3-Clause"),
    pages("python-sklearn-doc", "manuals", "BSD-3-Clause"),
    pages("python-pandas-doc", "manuals", "BSD-3-Clause"),
    pages("python-django-doc", "manuals", "BSD-3-Clause"),
    pages("python-sqlalchemy-doc", "manuals", "MIT"),
    pages("erlang-doc", "manuals", "Apache-2.0"),
    pages("nodejs-doc", "manuals", "MIT"),
    pages("gimp-help-en", "manuals", "GFDL-1.2"),
    pages(
      "lilypond-doc-html",
      "manuals",
      "GFDL-1.3",
      /\/(?!.*\.(?:ca|cs|de|es|fr|hu|it|ja|nl|pt|ru|zh)\.html)[^.]*\.html$/,
    ),
    pages("debian-handbook", "manuals", "GPL-2.0-or-later or CC-BY-SA-3.0", /\/html\/en-US\/.*\.html$/),

    python("python3-sympy", "BSD-3-Clause"),
    python("python3-scipy", "BSD-3-Clause"),
    python("python3-twisted", "MIT"),
    python("python3-sklearn", "BSD-3-Clause"),
    python("python3-numpy", "BSD-3-Clause"),
    python("python3-matplotlib", "Matplotlib's, like PSF-2.0"),
    python("python3-sqlalchemy", "MIT"),
    python("python3-networkx", "BSD-3-Clause"),
    python("python3-django", "BSD-3-Clause"),
    python("python3-pandas", "BSD-3-Clause"),
    python("python3-statsmodels", "BSD-3-Clause"),
    python("python3-skimage", "BSD-3-Clause"),
    python("python3-sage", "GPL-2.0-or-later"),
    python("python3-nova", "Apache-2.0"),
    python("calibre", "GPL-3.0"),
    python("ansible", "GPL-3.0-or-later"),

    debian("linux-source-6.1", {
      domain: "c",
      licence: "GPL-2.0",
      inside: /linux-source-6\.1\.tar\.xz$/,
      include:
        /^[^/]+\/(kernel|fs|mm|lib|net|crypto|block|ipc|security|sound|drivers\/(base|char|i2c|infiniband|iio|input|md|media|mmc|mtd|net|nvme|pci|scsi|spi|tty|usb))\/.*\.c$/,
      cut: "code",
    }),

    {
      ecosystem: "npm",
      package: "effect",
      version: "4.1.0",
      integrity: "sha512-lGx2MJJyrXA8RZb2UpQ/0Nkb5Utaimby7oD92+18noBxLPE85IFOvptdzau8dvcxAOwfwHo9iqapbKeFzqQM/Q==",
      licence: "MIT",
      domain: "typescript",
      include: /^package\/src\/.*\.ts$/,
      cut: "code",
    },
    {
      ecosystem: "npm",
      package: "ethers",
      version: "6.17.0",
      integrity: "sha512-BpyrpIPJ3ydEVow8zGaz1DuPS7YU8DcWxuBnY9a0UA/lvAPwrMr+EPXsfrul628SRaekPNeIM4UFh/91GWZang==",
      licence: "MIT",
      domain: "typescript",
      include: /^package\/src\.ts\/.*\.ts$/,
      cut: "code",
    },
    {
      ecosystem: "npm",
      package: "three",
      version: "0.187.0",
      integrity: "sha512-Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA==",
      licence: "MIT",
      domain: "typescript",
      include: /^package\/(src|examples\/jsm)\/.*\.js$/,
      cut: "code",
    },

    proofs("acl2-books-source", "BSD-3-Clause, most books", /\.(lisp|lsp)$/),
    debian("metamath-databases", {
      domain: "proofs",
      licence: "CC0-1.0",
      include: /\/(i?set|nf|ql|hol)\.mm$/,
      cut: "metamath",
    }),
    proofs("hol-light", "BSD-2-Clause", /\.(ml|hl)$/),
    proofs("libcoq-stdlib", "LGPL-2.1", /\.v$/),
    proofs("libcoq-mathcomp-ssreflect", "CeCILL-B", /\.v$/),
    proofs("libcoq-mathcomp-analysis", "CeCILL-C", /\.v$/),
    proofs("libcoq-corn", "GPL-2.0", /\.v$/),
    proofs("libcoq-math-classes", "MIT", /\.v$/),
    proofs("agda-stdlib", "MIT", /\.agda$/),

    debian("anarchism", { domain: "politics", licence: "GFDL-1.2-or-later", include: /\.md(\.gz)?$/, cut: "markdown" }),
    debian("debian-policy", {
      domain: "politics",
      licence: "GPL-2.0-or-later",
      include: /policy\.html\/.*\.html$/,
      cut: "html",
    }),
  ],
};

export default domainsL;
