import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { loadTensorflow, tensorflowVersion } from "./tensorflow";

let checkout: string;

beforeEach(() => {
  checkout = fs.mkdtempSync(path.join(os.tmpdir(), "lory-tensorflow-"));
});
afterEach(() => {
  fs.rmSync(checkout, { recursive: true });
});

/** A package in place of the one that the set-up compiles. */
function place(name: string, finished: boolean, main: string): void {
  const folder = path.join(checkout, ".cache/tensorflow", name);
  fs.mkdirSync(path.join(folder, "lib"), { recursive: true });
  fs.writeFileSync(path.join(folder, "index.js"), main);
  if (finished) fs.writeFileSync(path.join(folder, "lib/.lory"), "");
}

it("names the command where there is no tfjs-node, or one that is half made", () => {
  expect(() => loadTensorflow([checkout])).toThrow("npm run setup -- --tensorflow");
  place("cpu/node_modules/@tensorflow/tfjs-node", false, "throw new Error('half made')");
  expect(() => loadTensorflow([checkout])).toThrow("npm run setup -- --tensorflow");
});

it("loads it from a folder above, the one for GPUs first", () => {
  place("cpu/node_modules/@tensorflow/tfjs-node", true, "throw new Error('for the processor')");
  expect(() => loadTensorflow([path.join(checkout, "notebooks")])).toThrow("for the processor");
  place("gpu/node_modules/@tensorflow/tfjs-node-gpu", true, "throw new Error('for GPUs')");
  expect(() => loadTensorflow([path.join(checkout, "notebooks")])).toThrow("for GPUs");
});

it("has no version while another backend is selected", () => {
  expect(tensorflowVersion()).toBeUndefined();
});
