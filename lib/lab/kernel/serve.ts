/** Gives a kernel the process that it runs in: its outputs, its uncaught errors, its end. */
import Module from "node:module";
import path from "node:path";
import type { Channels } from "./channels";
import { Kernel } from "./kernel";
import { Library } from "./library";
import { refuseInput } from "./standard-input";
import { redirect } from "./streams";

/** This repository: this file is `lib/lab/dist/kernel/serve.js`. */
const ROOT = path.resolve(__dirname, "../../../..");

export function serve(channels: Channels): void {
  const exit = process.exit.bind(process);
  const kernel = new Kernel({
    channels,
    library: new Library(ROOT),
    root: ROOT,
    headless: process.env.LORY_HEADLESS === "1",
    exit: () => exit(0),
  });
  process.exit = (code) => {
    throw new Error(`process.exit(${code ?? ""}) would end the kernel. To end it, use Jupyter's Kernel menu.`);
  };
  process.on("SIGINT", () => kernel.interrupt());
  process.on("uncaughtException", (error) => kernel.uncaught.exception(error));
  process.on("unhandledRejection", (error, promise) => kernel.uncaught.rejection(error, promise));
  process.on("rejectionHandled", (promise) => kernel.uncaught.handled(promise));
  refuseInput();
  redirect(process.stdout, (text) => kernel.write("stdout", text));
  redirect(process.stderr, (text) => kernel.write("stderr", text));
  serveDisplay((content, update) => kernel.publish(update ? "update_display_data" : "display_data", content));
  channels.listen(kernel);
}

/** Makes `import { display } from "tslab"` work as in tslab's own kernel, whose server it looks for, without that server. */
function serveDisplay(write: (content: object, update: boolean) => void): void {
  const file = require.resolve("tslab/dist/jupyter.js");
  const server = new Module(file);
  server.filename = file;
  server.loaded = true;
  server.exports = { lastWriteDisplayData: write };
  require.cache[file] = server;
}
