/** For tests: a JupyterLab server of this project's environment, on this machine alone, with its own settings and a token. */
import { spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const REPOSITORY = path.resolve(__dirname, "../../..");
const PYTHON = path.join(
  REPOSITORY,
  ".venv",
  ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]),
);
/** JupyterLab's own settings for a test: no news from the network, nothing saved behind the test's back. */
const SETTINGS: Readonly<Record<string, object>> = {
  "@jupyterlab/apputils-extension/notification.jupyterlab-settings": { fetchNews: "false", checkForUpdates: false },
  "@jupyterlab/docmanager-extension/plugin.jupyterlab-settings": { autosave: false },
};

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

export class JupyterServer {
  /** Where notebooks lie: inside the repository, so that cells find its packages. */
  readonly folder: string;
  readonly token = randomUUID();
  #state: string;
  #process: ChildProcess | undefined;
  #port = 0;
  #log = "";

  private constructor() {
    const cache = path.join(REPOSITORY, ".cache");
    fs.mkdirSync(cache, { recursive: true });
    this.folder = fs.mkdtempSync(path.join(cache, "browser-"));
    this.#state = fs.mkdtempSync(path.join(os.tmpdir(), "lory-jupyter-"));
  }

  static async start(): Promise<JupyterServer> {
    const server = new JupyterServer();
    await server.#start();
    return server;
  }

  /** Address of a page of JupyterLab, `lab/tree/name.ipynb` for a notebook, with nothing else open. */
  url(page: string): string {
    return `http://127.0.0.1:${this.#port}/${page}?reset&token=${this.token}`;
  }

  async stop(): Promise<void> {
    const child = this.#process;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      child.kill("SIGTERM"); // ends its kernels as well
      await exit;
    }
    for (const folder of [this.folder, this.#state]) fs.rmSync(folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    this.#port = await freePort();
    const config = path.join(this.#state, "config");
    for (const [name, content] of Object.entries(SETTINGS)) {
      const file = path.join(config, "lab/user-settings", name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, JSON.stringify(content));
    }
    const args = [
      ...["-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1", `--ServerApp.port=${this.#port}`],
      ...["--ServerApp.port_retries=0", `--ServerApp.root_dir=${this.folder}`, "--LabApp.expose_app_in_browser=True"],
      ...(process.getuid?.() === 0 ? ["--allow-root"] : []),
    ];
    const child = spawn(PYTHON, args, {
      cwd: this.folder,
      env: {
        ...process.env,
        JUPYTER_TOKEN: this.token,
        JUPYTER_CONFIG_DIR: config,
        JUPYTER_DATA_DIR: path.join(this.#state, "data"),
        JUPYTER_RUNTIME_DIR: path.join(this.#state, "runtime"),
        IPYTHONDIR: path.join(this.#state, "ipython"),
      },
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#process = child;
    let ready = (): void => undefined;
    const listening = new Promise<void>((resolve) => (ready = resolve));
    child.stderr.on("data", (text: Buffer) => {
      this.#log += text.toString();
      if (this.#log.includes(`127.0.0.1:${this.#port}/`)) ready();
    });
    const ended = once(child, "exit").then(() => {
      throw new Error(`JupyterLab did not start:\n${this.#log}`);
    });
    await Promise.race([listening, ended]);
    ended.catch(() => undefined);
  }
}
