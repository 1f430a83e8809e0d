import { describe, expect, it } from "vitest";
import { differences } from "./node-modules.mjs";

const packageA = { "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } };
const others = {
  "lib/lab": { version: "0.1.0" },
  "lib/lab/node_modules/a": { version: "2.0.0", integrity: "sha512-a2" },
  "node_modules/lory-lab": { link: true },
};
const otherPlatform = { "node_modules/for-another-platform": { version: "1.0.0", optional: true } };
const wanted = { packages: { "": { version: "0.1.0" }, ...packageA, ...others, ...otherPlatform } };
const installed = { ...packageA, ...others };
const everywhere = () => true;

describe("differences between the lock file and what is installed", () => {
  it("are none after a complete installation, which lacks other platforms' packages", () => {
    expect(differences(wanted, { packages: installed }, everywhere)).toEqual([]);
  });

  it("are missing packages, other versions and other contents", () => {
    expect(differences(wanted, { packages: others }, everywhere)).toEqual(["node_modules/a"]);
    for (const change of [{ version: "1.0.1" }, { integrity: "sha512-b" }]) {
      const changed = { ...others, "node_modules/a": { ...packageA["node_modules/a"], ...change } };
      expect(differences(wanted, { packages: changed }, everywhere)).toEqual(["node_modules/a"]);
    }
  });

  it("are packages whose folder was removed", () => {
    const exists = (place: string) => place !== "lib/lab/node_modules/a";
    expect(differences(wanted, { packages: installed }, exists)).toEqual(["lib/lab/node_modules/a"]);
  });
});
