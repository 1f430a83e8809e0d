#!/usr/bin/env node
// npm links a program only if its file is there when it installs; what is compiled comes later.
const { existsSync } = require("node:fs");
const { join } = require("node:path");
const { withHugePages } = require("./huge-pages.js");
const { runAsThis } = require("./run-as-this.js");

const program = join(__dirname, "../dist/cli/main.js");
const args = process.argv.slice(2);
const env = withHugePages(process.env);

if (!existsSync(program)) {
  process.stderr.write("The library is not built yet. In a clone: npm run setup\n");
  process.exitCode = 1;
} else if (["run", "sweep"].includes(args[0]) && env.GLIBC_TUNABLES !== process.env.GLIBC_TUNABLES) {
  // How memory is allocated is settled when a process starts.
  const started = { ...env, LORY_STARTED_BY: String(process.pid) };
  void runAsThis(process.execPath, [...process.execArgv, program, ...args], {
    env: started,
    passInterrupts: true,
  }).then((status) => (process.exitCode = status));
} else require(program);
