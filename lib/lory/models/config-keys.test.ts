import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { CONFIG_KEYS } from "./config-keys";

test("the README's table of keys is this one", () => {
  const readme = readFileSync(path.resolve(__dirname, "../../../README.md"), "utf8");
  const rows = [...readme.matchAll(/^\| `(\w+)` +\| `(\w+)` +\|$/gm)].map(([, key, written]) => [key, written]);
  expect(rows).toEqual(Object.entries(CONFIG_KEYS));
});
