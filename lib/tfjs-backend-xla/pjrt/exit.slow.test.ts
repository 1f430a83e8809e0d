import { spawnSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";

/** Starts a program of 10 matrix products and reads its output, without waiting for it. */
const COMPUTE = `
  const type = "tensor<700x700xf32>";
  const steps = Array.from({ length: 10 }, (_, i) =>
    "%" + i + " = stablehlo.dot_general " + (i ? "%" + (i - 1) : "%x") + ", %x, contracting_dims = [1] x [0] : (" +
    type + ", " + type + ") -> " + type);
  const program = client.compileSync(
    "func.func @main(%x: " + type + ") -> " + type + " {" + steps.join("\\n") + " return %9 : " + type + " }");
  const x = client.bufferFromHost(new Float32Array(490000), "f32", [700, 700]);
  program.execute([x])[0].toHost();
`;

describe("a process that has loaded a plugin ends with its own exit code", () => {
  it.each([
    { when: "without having used it", script: "process.exitCode = 7;" },
    { when: "after what runs is done", script: `${COMPUTE} process.exitCode = 7;` },
    { when: "at once, while a program runs", script: `${COMPUTE} process.exit(7);` },
    {
      when: "at once, while a program compiles",
      script: `client.compile("func.func @main() { return }"); process.exit(7);`,
    },
  ])("$when", ({ script }) => {
    const { status, signal } = spawnSync(
      process.execPath,
      [
        "--require",
        "ts-node/register/transpile-only",
        "--eval",
        `const client = require("./pjrt").openClient("cpu"); ${script}`,
      ],
      { cwd: path.dirname(__dirname) },
    );
    expect({ status, signal }).toEqual({ status: 7, signal: null });
  });
});
