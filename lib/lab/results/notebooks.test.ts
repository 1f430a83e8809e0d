import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { projectFolder } from "./project";

interface Notebook {
  readonly metadata: { readonly kernelspec: { readonly name: string; readonly language: string } };
  readonly cells: readonly {
    readonly cell_type: string;
    readonly source: readonly string[];
    readonly outputs?: readonly { readonly output_type: string }[];
  }[];
}

const clone = projectFolder() ?? "";
const folder = path.join(clone, "notebooks");
const names = fs.readdirSync(folder).filter((name) => name.endsWith(".ipynb"));

describe.each(names)("%s", (name) => {
  const text = fs.readFileSync(path.join(folder, name), "utf8");
  const notebook = JSON.parse(text) as Notebook;
  const code = notebook.cells.filter(({ cell_type }) => cell_type === "code");

  it("is run by the project's kernel", () => {
    expect(notebook.metadata.kernelspec).toMatchObject({ name: "lory", language: "typescript" });
  });

  it("has its parameters on top, for every preset", () => {
    const first = code[0].source.join("");
    expect(first).toContain("lory.parameters({");
    for (const preset of ["ci", "cpu", "gpu"]) expect(first).toContain(`  ${preset}: {`);
  });

  it("asserts what it claims", () => {
    expect(code.some(({ source }) => source.join("").includes("lory.claims("))).toBe(true);
  });

  it("is kept without failures and without this machine's paths", () => {
    const types = code.flatMap(({ outputs = [] }) => outputs.map(({ output_type }) => output_type));
    expect(types).not.toContain("error");
    for (const place of [clone, os.homedir() + path.sep]) expect(text.includes(place)).toBe(false);
  });
});
