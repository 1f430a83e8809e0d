/** The kernel's process: `node main.js CONNECTION_FILE`, as the kernelspec says. */
import fs from "node:fs";
import { Channels } from "./channels";
import type { Connection } from "./wire";

function versionOf(name: string): string {
  return (JSON.parse(fs.readFileSync(require.resolve(`${name}/package.json`), "utf8")) as { version: string }).version;
}

/** Content of `kernel_info_reply`; TypeScript itself is not loaded yet when it is asked for first. */
function kernelInfo(): object {
  const typescript = versionOf("typescript");
  return {
    status: "ok",
    protocol_version: "5.3",
    implementation: "lory",
    implementation_version: versionOf("tslab"),
    language_info: {
      name: "typescript",
      version: typescript,
      mimetype: "text/typescript",
      file_extension: ".ts",
      pygments_lexer: "typescript",
      codemirror_mode: { name: "javascript", mode: "typescript", typescript: true },
      nbconvert_exporter: "script",
    },
    banner: `Lory: TypeScript ${typescript} by tslab ${versionOf("tslab")}, Node ${process.versions.node}`,
    help_links: [],
    supported_features: [],
  };
}

async function start(connectionFile: string | undefined): Promise<void> {
  if (connectionFile === undefined)
    throw new Error("usage: node main.js CONNECTION_FILE (Jupyter starts this program)");
  const connection = JSON.parse(fs.readFileSync(connectionFile, "utf8")) as Connection;
  // The sockets answer from here on; the compiler takes a second to load.
  const channels = new Channels(connection, kernelInfo());
  const { serve } = await import("./serve.js");
  serve(channels);
}

start(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
});
