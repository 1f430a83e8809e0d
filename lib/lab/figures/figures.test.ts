import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { KernelBridge, MimeBundle } from "lory/notebook";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { exportFigure, installedBrowsers, renderFigure } from ".";

const figure = {
  data: [{ type: "bar", y: [1, 2] }],
  layout: { title: { text: "Bars" }, meta: { corpus: "quickstart" } },
};

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-figures-"));
});
afterEach(() => {
  fs.rmSync(folder, { recursive: true, force: true });
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  delete (globalThis as { [key: symbol]: unknown })[Symbol.for("lory.kernel")];
});

describe("installedBrowsers", () => {
  const program = (name: string) => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, "", { mode: 0o755 });
    return file;
  };

  it("finds those on PATH, Chromium first", () => {
    const chrome = program("google-chrome");
    const chromium = program("chromium");
    program("firefox");
    expect(installedBrowsers({ PATH: `/nowhere${path.delimiter}${folder}` }, "linux")).toEqual([chromium, chrome]);
    expect(installedBrowsers({ PATH: "" }, "linux")).toEqual([]);
  });

  it("takes LORY_CHROMIUM alone when it is set", () => {
    program("chromium");
    expect(installedBrowsers({ PATH: folder, LORY_CHROMIUM: "/opt/my-browser" }, "linux")).toEqual(["/opt/my-browser"]);
  });
});

describe("without a browser", () => {
  const shown: MimeBundle[] = [];
  const openNotebook = () => {
    shown.length = 0;
    const bridge: KernelBridge = {
      signal: new AbortController().signal,
      show: (data) => shown.push(data),
      clear: () => undefined,
    };
    (globalThis as { [key: symbol]: unknown })[Symbol.for("lory.kernel")] = bridge;
  };
  beforeEach(() => vi.stubEnv("LORY_CHROMIUM", path.join(folder, "no-such-browser")));

  it("writes JSON as ever", async () => {
    expect(JSON.parse((await renderFigure(figure, "json")).toString())).toEqual(figure);
  });

  it("refuses the other formats in one clear error, with the JSON written", async () => {
    const exporting = exportFigure(figure, "bars", { dir: folder, runs: ["run-1"] });
    await expect(exporting).rejects.toThrow(/sudo apt install chromium[^]*LORY_CHROMIUM[^]*no-such-browser/);
    expect(fs.readdirSync(folder)).toEqual(["bars.json"]);
    const saved = JSON.parse(fs.readFileSync(path.join(folder, "bars.json"), "utf8")) as typeof figure;
    expect(saved.layout.meta).toEqual({ corpus: "quickstart", runs: ["run-1"] });
  });

  it("keeps six digits of a figure's numbers, and whole numbers whole", async () => {
    const long = { data: [{ x: [123456789, 1 / 3], nested: { y: [-2e-7 / 3] } }], layout: { height: 1 / 3 } };
    await exportFigure(long, "long", { dir: folder, formats: ["json"] });
    const saved = JSON.parse(fs.readFileSync(path.join(folder, "long.json"), "utf8")) as typeof long;
    expect(saved).toEqual({
      data: [{ x: [123456789, 0.333333], nested: { y: [-6.66667e-8] } }],
      layout: { height: 1 / 3 },
    });
  });

  it("still shows the figure in a notebook, and prints what is missing", async () => {
    openNotebook();
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect(await exportFigure(figure, "bars", { dir: folder })).toEqual([path.join(folder, "bars.json")]);
    expect(shown).toEqual([{ "application/vnd.plotly.v1+json": figure, "text/plain": "[figure: Bars]" }]);
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0][0]).toContain("LORY_CHROMIUM");
  });

  it("shows nothing if told so", async () => {
    openNotebook();
    await exportFigure(figure, "bars", { dir: folder, formats: ["json"], show: false });
    expect(shown).toEqual([]);
  });

  it("refuses a name that is no file name", async () => {
    await expect(exportFigure(figure, "../bars", { dir: folder })).rejects.toThrow('"../bars" is no name for a figure');
  });
});
