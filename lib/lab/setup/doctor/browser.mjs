/** The browser that draws figures for export. */
import fs from "node:fs";
import { createRequire } from "node:module";
import { at } from "../places.mjs";

/** @typedef {import("../commands/doctor.mjs").Finding} Finding */

/** @returns {Promise<Finding[]>} */
export async function browser() {
  const file = at("lib/lab/dist/figures/chromium.js");
  if (!fs.existsSync(file) || !fs.existsSync(at("node_modules/tar-fs"))) {
    return [{ state: "missing", text: "cannot be looked for before the set-up", mend: "npm run setup" }];
  }
  /** @type {typeof import("../../figures/chromium.js")} */
  const { installedBrowsers, packagedChromiumRunsHere } = createRequire(import.meta.url)(file);
  const [installed] = installedBrowsers();
  if (installed !== undefined) {
    return fs.existsSync(installed)
      ? [{ state: "ok", text: `browser ${installed}` }]
      : [
          {
            state: "missing",
            text: `LORY_CHROMIUM is ${installed}: there is no such file`,
            mend: "unset LORY_CHROMIUM",
          },
        ];
  }
  if (packagedChromiumRunsHere()) return [{ state: "ok", text: "browser from the npm package @sparticuz/chromium" }];
  return [
    {
      state: "missing",
      text: "no Chrome or Chromium",
      mend: "install Chrome or Chromium, or set LORY_CHROMIUM to its path",
    },
  ];
}
