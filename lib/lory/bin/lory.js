#!/usr/bin/env node
// npm links a program only if its file is there when it installs; what is compiled comes later.
const { existsSync } = require("node:fs");
const { join } = require("node:path");

const program = join(__dirname, "../dist/cli/main.js");
if (existsSync(program)) require(program);
else {
  process.stderr.write("The library is not built yet. In a clone: npm run setup\n");
  process.exitCode = 1;
}
