import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { table } from "lory/notebook";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { projectFolder, resultsFolder, writeReport } from ".";
import { replaceFile } from "./files";

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-results-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe("replaceFile", () => {
  it("makes folders, replaces what is there and leaves nothing else", () => {
    const file = path.join(folder, "a", "b.txt");
    replaceFile(file, "one");
    replaceFile(file, "two");
    expect(fs.readFileSync(file, "utf8")).toBe("two");
    expect(fs.readdirSync(path.dirname(file))).toEqual(["b.txt"]);
  });

  it("leaves what was there, and no temporary file, if it cannot write", () => {
    const file = path.join(folder, "b.txt");
    fs.mkdirSync(file);
    expect(() => replaceFile(file, "one")).toThrow();
    expect(fs.readdirSync(folder)).toEqual(["b.txt"]);
  });
});

describe("projectFolder", () => {
  it("is the clone of this file, and no other folder", () => {
    const clone = projectFolder();
    expect(path.join(clone ?? "", "lib", "lab", "results")).toBe(__dirname);
    expect(resultsFolder("figures")).toBe(path.join(clone ?? "", "results", "figures"));
    expect(projectFolder(folder)).toBeUndefined();
  });

  it("keeps results elsewhere where LORY_RESULTS says so", () => {
    vi.stubEnv("LORY_RESULTS", folder);
    expect(resultsFolder("figures")).toBe(path.join(folder, "figures"));
    vi.unstubAllEnvs();
  });
});

describe("writeReport", () => {
  it("keeps the summary for people and programs, the tables and the figures' paths", () => {
    const figure = path.join(projectFolder() ?? "", "results", "figures", "loss.pdf");
    const report = {
      title: "Quickstart",
      statement: "Lory ends lower.\n",
      tables: { perplexity: table([{ domain: "prose", perplexity: 98.7654 }], { digits: { perplexity: 1 } }) },
      figures: [figure],
      data: { perplexity: { prose: 98.7654 } },
    };
    const written = writeReport("quickstart", report, folder);
    expect(written.map((file) => path.basename(file)).sort()).toEqual(fs.readdirSync(folder).sort());
    const read = (name: string) => fs.readFileSync(path.join(folder, name), "utf8");
    expect(read("summary.md")).toBe(
      "# Quickstart\n\nLory ends lower.\n\n| domain | perplexity |\n| :--- | ---: |\n| prose | 98.8 |\n",
    );
    expect(JSON.parse(read("summary.json"))).toEqual(report.data);
    expect(read("figures.txt")).toBe("results/figures/loss.pdf\n");
    expect(read("perplexity.csv")).toBe("domain,perplexity\nprose,98.7654\n");
  });
});
