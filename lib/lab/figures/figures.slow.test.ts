import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { KernelBridge } from "lory/notebook";
import { lossCurves, routingHeatmap, type Figure } from "lory/plots";
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { closeBrowser, exportFigure, installedBrowsers, launchBrowser, packagedChromium, renderFigure } from ".";

const metrics = Array.from({ length: 50 }, (_, i) => ({ tokens: 1000 * (i + 1), lossNats: 9 - ((7 * i) % 50) / 8 }));
const figure: Figure = lossCurves([{ name: "dense", metrics }], { smoothing: 1 });
const heatmap: Figure = routingHeatmap({
  domains: ["prose", "code"],
  weights: [
    [
      [0.9, 0.1],
      [0.3, 0.7],
    ],
  ],
});

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-figures-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
afterAll(closeBrowser);

/** Width and height of a PNG, from its header. */
const pngSize = (png: Buffer) => [png.readUInt32BE(16), png.readUInt32BE(20)];

describe("renderFigure", () => {
  it("draws SVG as text, in the figure's own size", async () => {
    const svg = (await renderFigure(figure, "svg")).toString();
    expect(svg).toMatch(/^<svg /);
    expect(svg).toContain('viewBox="0 0 640 380"');
    expect(svg).toContain("training tokens");
    expect(svg).toContain("Open Sans");
  });

  it("draws PNG in the size and scale asked for", async () => {
    expect(pngSize(await renderFigure(figure, "png"))).toEqual([1280, 760]);
    expect(pngSize(await renderFigure(figure, "png", { width: 300, height: 200, scale: 3 }))).toEqual([900, 600]);
  });

  it("draws PDF as vectors, with the font inside", async () => {
    const pdf = (await renderFigure(heatmap, "pdf")).toString("latin1");
    expect(pdf.slice(0, 5)).toBe("%PDF-");
    expect(/FontName \/AAAAAA\+([\w-]+)/.exec(pdf)?.[1]).toBe("OpenSans-Regular");
    expect(pdf.includes("/Subtype /Image")).toBe(false);
    // A point is 4/3 of a CSS pixel; the browser rounds the page up to whole points.
    const box = (/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/.exec(pdf) ?? []).slice(1).map(Number);
    const points = [heatmap.layout.width, heatmap.layout.height].map((pixels) => (Number(pixels) * 3) / 4);
    box.forEach((size, i) => expect(Math.abs(size - points[i])).toBeLessThan(1));
    expect(box).toHaveLength(2);
  });

  it("gives the same bytes for the same figure, in another browser too", async () => {
    const draw = async () =>
      Promise.all((["svg", "png", "pdf"] as const).map((format) => renderFigure(figure, format)));
    const first = await draw();
    await renderFigure(heatmap, "svg");
    await closeBrowser();
    const second = await draw();
    expect(second.map((bytes, i) => bytes.equals(first[i]))).toEqual([true, true, true]);
  });

  it("says what plotly could not draw, and draws the next figure", async () => {
    const broken = { data: [], layout: { title: { text: 5 }, template: { layout: 3 }, width: -1, height: 1e9 } };
    await expect(renderFigure(broken, "png")).rejects.toThrow();
    expect(await renderFigure(figure, "svg")).toBeInstanceOf(Buffer);
  });
});

describe("launchBrowser", () => {
  it("starts the packaged Chromium where nothing is installed", async () => {
    const browser = await launchBrowser({ ...process.env, PATH: folder, LORY_CHROMIUM: undefined });
    expect(browser.executable).toBe((await packagedChromium()).executable);
    expect(await browser.send("Browser.getVersion")).toMatchObject({
      product: expect.stringContaining("Chrome") as string,
    });
    browser.close();
  });

  it("takes the browser that LORY_CHROMIUM names", async () => {
    const { executable, env } = await packagedChromium();
    const named = await launchBrowser({ ...env, PATH: folder, LORY_CHROMIUM: executable });
    expect(named.executable).toBe(executable);
    named.close();
  });

  it("says what it tried if the named browser does not run", async () => {
    const fake = path.join(folder, "chromium");
    fs.writeFileSync(fake, "#!/bin/sh\necho broken >&2\nexit 3\n", { mode: 0o755 });
    const launching = launchBrowser({ ...process.env, LORY_CHROMIUM: fake });
    await expect(launching).rejects.toThrow(/LORY_CHROMIUM[^]*status 3[^]*broken/);
  });

  it("goes on to the packaged one if an installed browser does not run", async () => {
    fs.writeFileSync(path.join(folder, "chromium"), "#!/bin/sh\nexit 3\n", { mode: 0o755 });
    const env = { ...process.env, PATH: `${folder}${path.delimiter}${process.env.PATH}`, LORY_CHROMIUM: undefined };
    expect(installedBrowsers(env)[0]).toBe(path.join(folder, "chromium"));
    const browser = await launchBrowser(env);
    expect(browser.executable).not.toBe(path.join(folder, "chromium"));
    browser.close();
  });

  it("removes what a process that was killed has left", async () => {
    const killed = spawnSync(process.execPath, ["-e", "process.kill(process.pid, 'SIGKILL')"]);
    const abandoned = fs.mkdtempSync(path.join(os.tmpdir(), `lory-chromium-${killed.pid}-`));
    const ofAnother = fs.mkdtempSync(path.join(os.tmpdir(), `lory-chromium-${process.ppid}-`));
    const browser = await launchBrowser();
    browser.close();
    expect(fs.existsSync(abandoned)).toBe(false);
    expect(fs.existsSync(ofAnother)).toBe(true);
    fs.rmSync(ofAnother, { recursive: true });
  });

  it("fails the calls under way when the browser ends", async () => {
    const browser = await launchBrowser();
    const waiting = browser.send("Runtime.evaluate", { expression: "new Promise(() => {})", awaitPromise: true });
    browser.close();
    await expect(waiting).rejects.toThrow("the browser ended (SIGKILL)");
  });
});

describe("exportFigure", () => {
  it("writes every format, with the runs in the JSON", async () => {
    const paths = await exportFigure(figure, "loss", { dir: folder, runs: ["dense-1a2b", "lory-3c4d"] });
    expect(fs.readdirSync(folder).sort()).toEqual(["loss.json", "loss.pdf", "loss.png", "loss.svg"]);
    expect(paths.map((file) => path.basename(file)).sort()).toEqual(fs.readdirSync(folder).sort());
    const saved = JSON.parse(fs.readFileSync(path.join(folder, "loss.json"), "utf8")) as Figure;
    expect(saved.layout.meta).toEqual({ runs: ["dense-1a2b", "lory-3c4d"] });
    expect(saved.data).toEqual(figure.data);
  });
});

describe("exportFigure in a notebook", () => {
  it("shows JSON for interactive use, and a picture with its size for where that is not drawn", async () => {
    const shown: unknown[][] = [];
    const bridge: KernelBridge = {
      signal: new AbortController().signal,
      show: (...args) => shown.push(args),
      clear: () => undefined,
    };
    vi.stubGlobal(Symbol.for("lory.kernel"), bridge);
    await exportFigure(figure, "loss", { dir: folder, formats: ["json"] });
    vi.unstubAllGlobals();
    const png = (await renderFigure(figure, "png")).toString("base64");
    const bundle = {
      "application/vnd.plotly.v1+json": figure,
      "image/png": png,
      "text/plain": "[figure: Training loss]",
    };
    expect(shown).toEqual([[bundle, { metadata: { "image/png": { width: 640, height: 380 } } }]]);
  });
});

describe("a process that has drawn", () => {
  it("ends by itself, and its browser with it", () => {
    const script = path.join(folder, "draw.cjs");
    const built = path.resolve(__dirname, "../dist/figures/index.js");
    fs.writeFileSync(
      script,
      `require(${JSON.stringify(built)}).renderFigure({ data: [], layout: {} }, "svg").then((svg) => console.log(svg.length > 100));`,
    );
    // Without a limit of its own, a process that is kept alive would end at the idle time.
    const { stdout, status } = spawnSync(process.execPath, [script], {
      encoding: "utf8",
      timeout: 25_000,
      env: { ...process.env, TMPDIR: folder },
    });
    expect({ stdout, status }).toEqual({ stdout: "true\n", status: 0 });
    expect(fs.readdirSync(folder)).toEqual(["draw.cjs"]);
  });
});
