import fs from "node:fs";
import path from "node:path";
import type { Browser, Locator } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { JupyterServer } from "./jupyter-server";
import { LabPage, launchBrowser, PATIENCE_MS, writeNotebook } from "./lab-page";

vi.setConfig({ testTimeout: 4 * PATIENCE_MS, hookTimeout: 4 * PATIENCE_MS });

let server: JupyterServer;
let browser: Browser;
let lab: LabPage | undefined;

beforeAll(async () => {
  [server, browser] = await Promise.all([JupyterServer.start(), launchBrowser()]);
});

afterEach(async () => {
  await lab?.close();
  lab = undefined;
});

afterAll(async () => {
  await browser.close();
  await server.stop();
});

async function open(name: string, cells: readonly (string | object)[]): Promise<LabPage> {
  writeNotebook(path.join(server.folder, name), cells);
  lab = await LabPage.open(browser, server, name);
  return lab;
}

const BRIDGE = 'const bridge = Reflect.get(globalThis, Symbol.for("lory.kernel"));';
const figure = (title: string, y: string): string =>
  `{ "application/vnd.plotly.v1+json": { data: [{ y: ${y} }], layout: { hovermode: "x", title: { text: ${title} } } }, "text/plain": "figure" }`;

/** Waits until a figure is drawn. */
const drawn = (output: Locator): Promise<void> => output.locator(".main-svg .trace").first().waitFor();

describe("a notebook that is run from top to bottom", () => {
  it("shows figures, tables and progress, and stops at an error with its trace", async () => {
    const { table, frame, live, plot, error, behind } = { table: 1, frame: 2, live: 3, plot: 4, error: 5, behind: 6 };
    const page = await open("run-all.ipynb", [
      BRIDGE,
      'import { table } from "lory/notebook";\ntable([{ domain: "prose", loss: 3.25 }, { domain: "code", loss: 2 }])',
      'import * as dfd from "danfojs-node";\nnew dfd.DataFrame([[1, 2.5]], { columns: ["a", "b"] }).describe()',
      `for (let i = 0; i < 5; i++) {
  bridge.show(${figure('"frame " + i', "[1, i]")}, { id: "live", update: i > 0 });
  await new Promise((done) => setTimeout(done, 50));
}`,
      `bridge.show(${figure('"final"', "[3, 1, 2]")});`,
      'function inner(n: number): never {\n  throw new RangeError("n is " + n);\n}\ninner(8192);',
      'console.log("must not run");',
    ]);
    await page.begin("runmenu:run-all");
    await page.ran(error);

    expect(await page.output(table).locator("table tbody tr").allInnerTexts()).toEqual(["prose\t3.25", "code\t2"]);

    expect(await page.output(frame).locator("table thead th").allInnerTexts()).toEqual(["index", "a", "b"]);

    await page.output(live).getByText("frame 4").waitFor();
    expect(await page.output(live).count()).toBe(1);

    const output = page.output(plot);
    await output.scrollIntoViewIfNeeded();
    await drawn(output);
    await output.locator(".nsewdrag").hover();
    await output.locator(".hoverlayer .hovertext").first().waitFor();

    const trace = await page.output(error).innerText();
    expect(trace).toContain("RangeError: n is 8192");
    expect(trace).toContain("at inner (cell-6:2:9)");
    expect(trace).toContain(">   2 |   throw new RangeError");
    expect(await page.output(behind).count()).toBe(0);
  });
});

describe("the stop button", () => {
  it("ends a loop of awaited steps and keeps the kernel and its variables", async () => {
    const page = await open("stop.ipynb", [
      'let steps = 0;\nfor (;;) {\n  await new Promise((done) => setTimeout(done, 5));\n  if (++steps === 3) console.log("running");\n}',
      "steps >= 3",
    ]);
    await page.runCell(0);
    await page.output(0).getByText("running").waitFor();
    await page.pressStop();
    await page.output(0).getByText("Interrupted: The cell was interrupted.").waitFor();
    await page.runCell(1);
    await page.output(1).getByText("true").waitFor();
  });
});

describe("a figure", () => {
  it("follows JupyterLab's theme where it leaves its colours open", async () => {
    const page = await open("theme.ipynb", [`${BRIDGE} bridge.show(${figure('"plain"', "[1, 2]")});`]);
    await page.runCell(0);
    await drawn(page.output(0));
    const title = page.output(0).locator(".gtitle");
    const color = (): Promise<string> => title.getAttribute("style").then(String);
    const light = await color();
    await page.command("apputils:change-theme", { theme: "JupyterLab Dark" });
    await expect.poll(color, { timeout: PATIENCE_MS }).not.toBe(light);
    await page.command("apputils:change-theme", { theme: "JupyterLab Light" });
    await expect.poll(color, { timeout: PATIENCE_MS }).toBe(light);
  });

  it("is still drawn in a saved notebook that is opened elsewhere, without trust", async () => {
    const page = await open("saved.ipynb", [`${BRIDGE} bridge.show(${figure('"kept"', "[1, 2]")});`]);
    await page.runCell(0);
    await drawn(page.output(0));
    await page.save();
    await page.close();

    // Another content than the one that was signed when it was run and saved here.
    const notebook = JSON.parse(page.saved("saved.ipynb")) as { cells: object[] };
    const [cell] = notebook.cells;
    expect(JSON.stringify(cell)).toContain("application/vnd.plotly.v1+json");
    const note = { cell_type: "markdown", id: "note", metadata: {}, source: "Sent by somebody." };
    writeNotebook(path.join(server.folder, "sent.ipynb"), [cell, note]);
    fs.rmSync(path.join(server.folder, "saved.ipynb"));

    lab = await LabPage.open(browser, server, "sent.ipynb");
    await lab.page.locator('.jp-StatusItem-trust [data-icon="ui-components:not-trusted"]').waitFor();
    await drawn(lab.output(0));
    await lab.output(0).getByText("kept").waitFor();
  });
});

describe("the editor", () => {
  it("completes names of the library and shows their types", async () => {
    const page = await open("complete.ipynb", ['import * as notebook from "lory/notebook";', "notebook.prog"]);
    await page.runCell(0);
    await page.ran(0);
    await page.cell(1).locator(".cm-line").click();
    await page.page.keyboard.press("End");
    await page.page.keyboard.press("Tab");
    await page.page.locator(".jp-Completer").getByText("progress").waitFor();
    await page.page.keyboard.press("Enter");
    await page.cell(1).getByText("notebook.progress").waitFor();
    await page.page.keyboard.press("Shift+Tab");
    await page.page.locator(".jp-Tooltip").getByText("function progress").waitFor();
  });
});
