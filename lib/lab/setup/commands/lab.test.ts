import { expect, it } from "vitest";
import { labArguments } from "./lab.mjs";

it("opens JupyterLab on the notebooks, with the user's arguments last", () => {
  const args = labArguments(["--no-browser", "--port=9999"], false);
  expect(args).toContain("--LabApp.default_url=/lab/tree/notebooks");
  expect(args.slice(-2)).toEqual(["--no-browser", "--port=9999"]);
});

it("lets root run it, once", () => {
  expect(labArguments([], false)).not.toContain("--allow-root");
  expect(labArguments([], true).filter((arg) => arg === "--allow-root")).toHaveLength(1);
  expect(labArguments(["--allow-root"], true).filter((arg) => arg === "--allow-root")).toHaveLength(1);
});
