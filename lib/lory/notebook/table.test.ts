import * as dfd from "danfojs-node";
import { describe, expect, it } from "vitest";
import { display, showFrames, table } from ".";
import { fakeKernel, startOutsideNotebook } from "./fake-kernel";

startOutsideNotebook();

describe("table", () => {
  const rows = [
    { domain: "prose", tokens: 1234567, perplexity: 98.7654 },
    { domain: "a|b <i>", tokens: 12, perplexity: 7 },
  ];

  it("is HTML, Markdown, text and CSV", () => {
    const made = table(rows, { digits: { perplexity: 1 }, caption: "Sizes" });
    expect(made.text).toBe(
      ["Sizes", "domain      tokens  perplexity", "-------  ---------  ----------"]
        .concat(["prose    1,234,567        98.8", "a|b <i>         12         7.0"])
        .join("\n"),
    );
    expect(made.markdown).toBe(
      ["Sizes", "", "| domain | tokens | perplexity |", "| :--- | ---: | ---: |"]
        .concat(["| prose | 1,234,567 | 98.8 |", "| a\\|b <i> | 12 | 7.0 |"])
        .join("\n"),
    );
    expect(made.csv).toBe("domain,tokens,perplexity\nprose,1234567,98.7654\na|b <i>,12,7\n");
    expect(made.html).toContain("a|b &#60;i&#62;");
    expect(made.html).toContain('<td style="text-align:right">98.8</td>');
  });

  it("quotes CSV fields that need it", () => {
    expect(table([{ a: 'say "x",\nplease', b: undefined }]).csv).toBe('a,b\n"say ""x"",\nplease",\n');
  });

  it("shows the first rows of many and says how many are left", () => {
    const many = table(
      Array.from({ length: 60 }, (_, i) => ({ i })),
      { maxRows: 10 },
    );
    expect(many.text.split("\n")).toHaveLength(13);
    expect(many.text).toContain("… and 50 more rows");
    expect(many.csv.split("\n")).toHaveLength(62);
  });

  it("refuses a column that is not there", () => {
    expect(() => table(rows, { columns: ["domains"] })).toThrow('no column "domains"; it has "domain", "tokens"');
  });
});

describe("showFrames", () => {
  it("makes danfojs's frames and series end a cell as tables", () => {
    showFrames(dfd);
    const { shown } = fakeKernel();
    const frame = new dfd.DataFrame([[1, "<b>", 0.5]], { columns: ["n", "text", "x"], index: ["row"] });
    display(frame);
    display(new dfd.Series([3, 4]));
    expect(shown[0].data["text/plain"]).toBe(
      ["index  n  text    x", "-----  -  ----  ---", "row    1  <b>   0.5"].join("\n"),
    );
    expect(shown[0].data["text/html"]).toContain("&#60;b&#62;");
    expect(shown[1].data["text/html"]).toContain("<td");
  });
});
