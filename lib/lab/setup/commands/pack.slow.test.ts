import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { findPlugin, loadPlugin } from "tfjs-backend-xla";
import { openProducts } from "tfjs-backend-xla/cpu";
import { codeHash } from "../../../lory/train/code-hash";
import { afterEach, expect, it, vi } from "vitest";
import { at } from "../places.mjs";
import { pack } from "./pack.mjs";

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lory-pack-"));
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  fs.rmSync(folder, { recursive: true, force: true });
});

it("what is packed runs where there is nothing else", async () => {
  vi.spyOn(console, "log").mockImplementation(() => undefined);
  vi.stubEnv("XZ_OPT", "-T0 -1"); // a fifth of the time
  const archive = await pack(path.join(folder, "made"));
  expect(fs.statSync(archive).size).toBeLessThan(60 * 2 ** 20);
  execFileSync("tar", ["-C", folder, "-xJf", archive]);
  const program = `
    const tf = require("@tensorflow/tfjs-core");
    require("lory").init({ backend: "xla" }).then(async () => console.log((await tf.sum(tf.fill([3], 2)).data())[0]))`;
  const env = { PATH: path.join(folder, "none"), LORY_PJRT_CPU_PLUGIN: findPlugin("cpu"), XLA_CACHE_DIR: "off" };
  const run = (args: string[]): string =>
    execFileSync(path.join(folder, "lory/bin/node"), args, { cwd: path.join(folder, "lory"), env, encoding: "utf8" });
  expect(run(["-e", program])).toBe("6\n");
  const kernels = `lib/tfjs-backend-xla/dist/cpu/kernels-${process.platform}-${process.arch}.so`;
  expect(fs.existsSync(path.join(folder, "lory", kernels))).toBe(fs.existsSync(at(kernels)));
  const printProducts = `require("lory").init({ backend: "xla" }).then(() =>
    console.log(JSON.stringify(require("@tensorflow/tfjs-core").backend().device.products)))`;
  expect(JSON.parse(run(["-e", printProducts]))).toEqual(openProducts(loadPlugin(findPlugin("cpu"))));
  expect(run(["lib/lory/bin/lory.js", "--help"])).toContain("npx lory run CONFIG.json");
  const printHash = 'require("./lib/lory/dist/train/code-hash").codeHash().then((hash) => console.log(hash))';
  expect(run(["-e", printHash])).toBe(`${await codeHash()}\n`);
  expect(run(["-e", 'console.log(typeof require("lory/data"))'])).toBe("object\n");
}, 120_000);
