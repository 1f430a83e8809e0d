/** For tests: one notebook in JupyterLab, as a person sees it. */
import fs from "node:fs";
import path from "node:path";
import { chromium, type Browser, type Locator, type Page } from "playwright-core";
import { installedBrowsers, packagedChromium, type BrowserProgram } from "../figures";
import type { JupyterServer } from "./jupyter-server";

/** How long a test waits for what it expects, on a machine that may have much else to do. */
export const PATIENCE_MS = 90_000;

/** JupyterLab's application object in the page, where `--LabApp.expose_app_in_browser` puts it. */
interface LabGlobal {
  readonly jupyterapp: { readonly commands: { execute(command: string, args?: object): Promise<unknown> } };
}

/** The first browser of this machine, else the one in the npm package. */
async function browserProgram(): Promise<BrowserProgram> {
  const [executable] = installedBrowsers();
  return executable === undefined ? packagedChromium() : { executable, env: process.env };
}

export async function launchBrowser(): Promise<Browser> {
  const { executable, env } = await browserProgram();
  const defined = Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const args = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--disable-dev-shm-usage"];
  return chromium.launch({
    executablePath: executable,
    chromiumSandbox: false,
    env: Object.fromEntries(defined),
    args,
  });
}

/** Writes a notebook of this project's kernel with one code cell for each source; a cell may come with outputs. */
export function writeNotebook(file: string, cells: readonly (string | object)[]): void {
  const notebook = {
    cells: cells.map((cell, i) =>
      typeof cell === "string"
        ? { cell_type: "code", id: `cell-${i}`, metadata: {}, source: cell, outputs: [], execution_count: null }
        : cell,
    ),
    metadata: { kernelspec: { name: "lory", display_name: "Lory (TypeScript)", language: "typescript" } },
    nbformat: 4,
    nbformat_minor: 5,
  };
  fs.writeFileSync(file, JSON.stringify(notebook, undefined, 1));
}

export class LabPage {
  readonly page: Page;
  #server: JupyterServer;

  private constructor(page: Page, server: JupyterServer) {
    this.page = page;
    this.#server = server;
  }

  /** Opens a notebook of the server's folder and waits until its kernel is idle. */
  static async open(browser: Browser, server: JupyterServer, name: string): Promise<LabPage> {
    const context = await browser.newContext({ viewport: { width: 1200, height: 1000 } });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    await page.goto(server.url(`lab/tree/${name}`));
    const lab = new LabPage(page, server);
    await lab.idle();
    return lab;
  }

  /** Gives a command of JupyterLab, as its menus do, and waits until it is done. */
  async command(name: string, args: object = {}): Promise<void> {
    await this.page.evaluate(
      async ([command, given]) => {
        await (globalThis as unknown as LabGlobal).jupyterapp.commands.execute(command, given);
      },
      [name, args] as const,
    );
  }

  /** Gives a command that is done only when cells have run, and does not wait. */
  async begin(name: string): Promise<void> {
    await this.page.evaluate((command) => {
      void (globalThis as unknown as LabGlobal).jupyterapp.commands.execute(command);
    }, name);
  }

  /** Waits until the kernel has nothing to do. */
  async idle(): Promise<void> {
    await this.page.getByText("Lory (TypeScript) | Idle").waitFor();
  }

  /** Runs the cell at `index`, without waiting for its end. */
  async runCell(index: number): Promise<void> {
    await this.cell(index).locator(".jp-InputArea-prompt").click();
    await this.begin("notebook:run-cell");
  }

  /** Waits until the cell at `index` has run, well or not. */
  async ran(index: number): Promise<void> {
    await this.cell(index)
      .locator(".jp-InputPrompt")
      .filter({ hasText: /\[\d+\]/ })
      .waitFor();
  }

  cell(index: number): Locator {
    return this.page.locator(".jp-Notebook .jp-CodeCell").nth(index);
  }

  output(index: number): Locator {
    return this.cell(index).locator(".jp-OutputArea-output");
  }

  async pressStop(): Promise<void> {
    await this.page.locator('.jp-NotebookPanel-toolbar [data-command="notebook:interrupt-kernel"]').click();
  }

  async save(): Promise<void> {
    await this.command("docmanager:save");
  }

  /** The notebook as it is on disk. */
  saved(name: string): string {
    return fs.readFileSync(path.join(this.#server.folder, name), "utf8");
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }
}
