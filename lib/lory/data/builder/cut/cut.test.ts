import { deflateSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Cut, cutFile } from ".";
import { messageText } from "./mail";
import { CODE_LEVELS, MARKDOWN_LEVELS, PROSE_LEVELS, splitText } from "./split";

const lengths = { target: 4000, max: 8000 };
const cut = (content: string, kind: Cut, pieces = lengths) =>
  cutFile({ path: "file", content: Buffer.from(content) }, kind, pieces);
const documents = (content: string, kind: Cut, pieces = lengths) => {
  const result = cut(content, kind, pieces);
  return result.kind === "text" ? result.documents : [];
};

describe("splitText", () => {
  const words = fc.constantFrom("a", "bc.", "def ", "\n", "\n\n", "  x", "# h\n", "\u{1F999}", "}", "\t");
  const texts = fc.array(words, { maxLength: 120 }).map((parts) => parts.join(""));
  const levels = fc.constantFrom(PROSE_LEVELS, CODE_LEVELS, MARKDOWN_LEVELS, []);

  it("loses nothing, keeps to the lengths and never cuts a character", () => {
    fc.assert(
      fc.property(texts, levels, fc.integer({ min: 2, max: 30 }), fc.nat(30), (text, someLevels, target, more) => {
        const pieces = splitText(text, someLevels, { target, max: target + more + 1 });
        expect(pieces.join("")).toBe(text);
        for (const piece of pieces) {
          expect(piece.length).toBeGreaterThan(0);
          expect(piece.length).toBeLessThanOrEqual(target + more + 1);
          expect(Buffer.from(piece, "utf8").toString("utf8")).toBe(piece);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("cuts at paragraphs before lines, at lines before sentences", () => {
    const pieces = (text: string, max: number) => splitText(text, PROSE_LEVELS, { target: max, max });
    expect(pieces("one two\nthree\n\nfour five", 16)).toEqual(["one two\nthree\n\n", "four five"]);
    expect(pieces("one two\nthree four", 12)).toEqual(["one two\n", "three four"]);
    expect(pieces("One two. Three four!", 12)).toEqual(["One two. ", "Three four!"]);
  });

  it("keeps functions whole", () => {
    const [head, a, b] = ["import x\n\n", "def a():\n    one\n\n    two\n\n\n", "def b():\n    three\n"];
    expect(splitText(head + a + b, CODE_LEVELS, { target: 30, max: 35 })).toEqual([head, a, b]);
    expect(splitText(head + a + b, CODE_LEVELS, { target: 45, max: 45 })).toEqual([head + a, b]);
    expect(splitText(a, CODE_LEVELS, { target: 18, max: 20 })).toEqual(["def a():\n    one\n\n", "    two\n\n\n"]);
  });
});

describe("cutFile", () => {
  it("reads text that is UTF-8 and drops what is not", () => {
    expect(documents("One.\r\n\r\nTwo \u0007three.  \n\n\n\n\n\nFour.", "prose")).toEqual([
      "One.\n\nTwo three.\n\n\nFour.",
    ]);
    const latin1 = { path: "f", content: Buffer.from("caf\u00e9", "latin1") };
    expect(cutFile(latin1, "prose", lengths)).toEqual({ kind: "no text" });
    expect(cut("nul \0", "prose")).toEqual({ kind: "no text" });
    expect(documents(" \n \n", "prose")).toEqual([]);
  });

  it("takes licence headers off code, and leaves other comments", () => {
    expect(documents("// Copyright someone\n// Licensed so\n\nlet a = 1;\n", "code")).toEqual(["let a = 1;"]);
    expect(documents("/* @license MIT */\nlet a = 1;\n", "code")).toEqual(["let a = 1;"]);
    expect(documents("#!/usr/bin/env python\n# Copyright\n# more\nimport a\n", "code")).toEqual(["import a"]);
    expect(documents("// Adds numbers.\nlet a = 1;\n", "code")).toEqual(["// Adds numbers.\nlet a = 1;"]);
  });

  it("drops code that a program wrote", () => {
    const generated = (code: string) => cut(code, "code").kind === "generated";
    expect(generated("const add = (left, right) => left + right;\n".repeat(20))).toBe(false);
    expect(generated(`const a = "${"word ".repeat(1000)}";\n`)).toBe(true);
    expect(generated("const table = [\n" + "  0x1234, 0x5678, 0x9012,\n".repeat(50) + "];\n")).toBe(true);
    expect(generated("// This file is auto-generated.\nlet a = 1;\n")).toBe(true);
  });

  it("takes front matter, comments and reference links off Markdown, and cuts it at headings", () => {
    const page =
      "---\ntitle: x\n---\n# One\n\nText [a].\n<!-- note -->\n\n## Two\n\nMore text.\n\n[a]: https://example.org\n";
    expect(documents(page, "markdown", { target: 20, max: 24 })).toEqual([
      "# One\n\nText [a].",
      "## Two\n\nMore text.",
    ]);
  });

  it("sets a play as it is printed", () => {
    const play = "### SCENE I. A wood.\n\n_Enter ANN_\n\n**ANN**  \nGood day;  \nI go _\\[aside\\]_ now.\n\n_Exit_\n";
    expect(documents(play, "play")).toEqual([
      "### SCENE I. A wood.\n\n[Enter ANN]\n\nANN\nGood day;\nI go [aside] now.\n\n[Exit]",
    ]);
  });

  it("makes text of records, a section after the other", () => {
    const profile = {
      Government: {
        "Country name": { "conventional short form": { text: "Utopia" } },
        Capital: { name: { text: "U" } },
      },
      Economy: { Imports: { text: "- ++ cloth ++ corn" }, Rank: { "of world": { text: "1" } } },
    };
    const [government, economy] = [
      "Utopia: Government\n\nCountry name:\n  conventional short form: Utopia\nCapital:\n  name: U",
      "Utopia: Economy\n\nImports: cloth; corn\nRank:\n  of world: 1",
    ];
    expect(documents(JSON.stringify(profile), "factbook", { target: 90, max: 100 })).toEqual([government, economy]);
    expect(documents(JSON.stringify(profile), "factbook")).toEqual([`${government}\n\n${economy}`]);
    expect(documents('{"name": "Mine", "licenseText": "Do as you like."}', "licence")).toEqual([
      "Mine\n\nDo as you like.",
    ]);
    const articles = [{ article: 1, title: "Name", description: "It is so called." }];
    expect(documents(JSON.stringify(articles), "constitution")).toEqual(["Article 1. Name\n\nIt is so called."]);
    expect(cut("{}", "licence")).toEqual({ kind: "no text" });
    expect(cut("{}", "factbook")).toEqual({ kind: "no text" });
    expect(() => cut("{", "licence")).toThrow(SyntaxError);
  });
});

describe("messageText", () => {
  const text = (lines: string[]) => messageText(Buffer.from(lines.join("\n"), "latin1"));

  it("keeps sender, subject and body; masks addresses; cuts signature and list footer", () => {
    const message = text([
      "From ann@x.org  Thu Aug 22 2002",
      "Received: from a\n\tby b",
      "From: Ann <ann.b@mail.example.org>",
      "Subject: =?iso-8859-1?Q?Caf=E9?= =?utf-8?B?IG9wZW4=?=",
      "",
      "Write to bob@example.org.",
      "",
      "> quoted",
      "",
      "-- ",
      "Ann, 555-1234",
      "_______________________________________________",
      "List mailing list",
    ]);
    expect(message).toBe("From: Ann <address>\nSubject: Caf\u00e9 open\n\nWrite to <address>.\n\n> quoted\n");
  });

  it("decodes the first plain part of a multipart message", () => {
    const message = text([
      'Content-Type: multipart/alternative;\n boundary="b=1"',
      "",
      "preamble",
      "--b=1",
      "Content-Type: text/html",
      "",
      "<p>no</p>",
      "--b=1",
      "Content-Type: text/plain; charset=iso-8859-1",
      "Content-Transfer-Encoding: quoted-printable",
      "",
      "na=EFve =",
      "line",
      "--b=1--",
    ]);
    expect(message).toBe("\n\nna\u00efve line\n");
  });

  it("reads base64 bodies and wrong charsets, and drops encoded attachments in the body", () => {
    const base64 = Buffer.from("plain words").toString("base64");
    expect(text(["Content-Transfer-Encoding: base64", "", base64])).toBe("\n\nplain words\n");
    expect(text(["Content-Type: text/plain; charset=nonsense", "", "\u00e9t\u00e9"])).toBe("\n\n\u00e9t\u00e9\n");
    const attachment = Array.from({ length: 5 }, () => "M".repeat(61));
    expect(text(["Subject: s", "", "before", ...attachment, "after"])).toBe("Subject: s\n\nbefore\n\nafter\n");
  });

  it("has nothing for messages without plain text", () => {
    expect(text(["Content-Type: text/html", "", "<p>"])).toBeUndefined();
    expect(
      text(["Content-Type: multipart/mixed; boundary=x", "", "--x", "Content-Type: image/png", "", "", "--x--"]),
    ).toBeUndefined();
  });
});

describe("formats of books and manuals", () => {
  it("takes the text of a page: headings, lists, code as it is set; no furniture", () => {
    const page =
      '<html><head><title>t</title></head><body><nav>menu</nav><h2>One<a class="headerlink" href="#">\u00b6</a></h2>' +
      "<p>First &amp;\n second.</p><ul><li>a</li><li>b</li></ul><pre>if x:\n    y &lt; 1</pre><script>no()</script></body></html>";
    expect(documents(page, "html")).toEqual(["## One\n\nFirst & second.\n\na\nb\n\nif x:\n    y < 1"]);
  });

  it("takes comments off LaTeX and cuts it at sections", () => {
    const text = "% draft\n\\section{A}\nText 5\\% % note\n\n\\section{B}\nMore $x^2$ text.\n";
    expect(documents(text, "tex", { target: 20, max: 32 })).toEqual([
      "\\section{A}\nText 5\\%",
      "\\section{B}\nMore $x^2$ text.",
    ]);
  });

  it("reads the zlib streams of SWORD modules and R's data", () => {
    const book = (text: string) => deflateSync(Buffer.from(`<w lemma="x">${text}</w><note>n</note>`));
    const sword = cutFile(
      { path: "ot.bzz", content: Buffer.concat([book("In the"), book("beginning")]) },
      "sword",
      lengths,
    );
    expect(sword).toMatchObject({ documents: ["In the beginning"], isCollection: true });
    const string = (text: string) => {
      const header = Buffer.alloc(8);
      header.writeUInt32BE(0x00040009, 0);
      header.writeInt32BE(text.length, 4);
      return Buffer.concat([header, Buffer.from(text)]);
    };
    const object = deflateSync(Buffer.concat([Buffer.from("X\n"), string("It is a truth"), string("universally")]));
    const content = Buffer.concat([Buffer.from([0, 0, 1, 0]), object]);
    expect(cutFile({ path: "Rdata.rdb", content }, "rdata", lengths)).toMatchObject({
      documents: ["It is a truth\nuniversally"],
    });
  });

  it("cuts dictionaries at entries and leaves the steps out of Metamath's proofs", () => {
    expect(
      documents("Cat \\Cat\\, n.\n   An {animal}.\nDog, n.\n   Another.\n", "dictionary", { target: 30, max: 30 }),
    ).toEqual(["Cat Cat, n.\n  An animal.", "Dog, n.\n  Another."]);
    expect(documents("$( $t x $)\n$( Why. $)\na1i $p |- ph $=\n  ( wi ax-1 ) ABCDE\n FG $.\n", "metamath")).toEqual([
      "$( Why. $)\na1i $p |- ph $=\n  ( wi ax-1 ) $.",
    ]);
  });
});
