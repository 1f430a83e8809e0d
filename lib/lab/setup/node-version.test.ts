import { expect, it } from "vitest";
import { checkNode, isSupportedNode } from "./node-version.mjs";

it("takes the versions of Node.js that can require modules of both kinds", () => {
  const supported = ["20.19.0", "20.20.2", "22.12.0", "22.23.1", "23.0.0", "24.0.0", "100.1.0"];
  const tooOld = ["4.9.1", "18.20.8", "20.18.3", "21.7.3", "22.11.0", ""];
  expect([...supported, ...tooOld].filter(isSupportedNode)).toEqual(supported);
});

it("sends users of Windows to WSL", () => {
  expect(() => checkNode("22.12.0", "win32")).toThrow(/^Lory runs on Linux and macOS; on Windows, inside WSL/);
  expect(() => checkNode("22.12.0", "darwin")).not.toThrow();
});

it("refuses an older one in one line that says what to do", () => {
  expect(() => checkNode("18.20.8")).toThrow(
    /^Node\.js 20\.19, 22\.12 or newer is needed; this is 18\.20\.8 .* nvm install 22$/,
  );
});
