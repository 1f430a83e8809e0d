import fs from "node:fs";
import { createBrotliDecompress } from "node:zlib";
import os from "node:os";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-fs";
import { replaceFile } from "../results/files";
import { projectFolder } from "../results/project";

/** A browser of the Chromium family and what it needs to start. */
export interface BrowserProgram {
  readonly executable: string;
  /** Environment to start it with. */
  readonly env: NodeJS.ProcessEnv;
}

const NAMES = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "microsoft-edge"];
const USUAL_PLACES: Partial<Record<NodeJS.Platform, readonly string[]>> = {
  darwin: [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
  ],
  win32: [
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
  ],
};

/** The browsers that this machine has: LORY_CHROMIUM alone if it is set, else those on PATH and in the usual places. */
export function installedBrowsers(env: NodeJS.ProcessEnv = process.env, platform = process.platform): string[] {
  if (env.LORY_CHROMIUM) return [env.LORY_CHROMIUM];
  const folders = (env.PATH ?? "").split(path.delimiter).filter(Boolean);
  const suffix = platform === "win32" ? ".exe" : "";
  const onPath = folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name + suffix)));
  return [...onPath, ...(USUAL_PLACES[platform] ?? [])].filter((file) => fs.existsSync(file));
}

/** Whether the browser inside `@sparticuz/chromium` is built for this machine. */
export function packagedChromiumRunsHere(): boolean {
  return process.platform === "linux" && process.arch === "x64";
}

/**
 * The browser inside the npm package `@sparticuz/chromium`, unpacked (190 MB, two seconds) on first use. It brings the
 * few libraries that a bare Linux lacks (NSS, NSPR, expat) and is given its own font configuration, since Chromium
 * does not start without any font.
 */
export async function packagedChromium(): Promise<BrowserProgram> {
  const folder = await unpacked("chromium", async (staging, bin) => {
    await Promise.all([
      inflateFile(path.join(bin, "chromium.br"), path.join(staging, "chromium")),
      inflateArchive(path.join(bin, "al2023.tar.br"), staging),
      inflateArchive(path.join(bin, "swiftshader.tar.br"), staging),
    ]);
  });
  const fonts = await packagedFonts();
  const fontConfig = path.join(folder, "fonts.conf");
  replaceFile(fontConfig, fontConfiguration(fonts, path.join(folder, "font-cache")));
  const libraries = [path.join(folder, "lib"), process.env.LD_LIBRARY_PATH].filter(Boolean).join(path.delimiter);
  return {
    executable: path.join(folder, "chromium"),
    env: { ...process.env, LD_LIBRARY_PATH: libraries, FONTCONFIG_FILE: fontConfig },
  };
}

/** Folder with the Open Sans fonts (SIL Open Font License) of `@sparticuz/chromium`: figures look alike on every machine. */
export async function packagedFonts(): Promise<string> {
  const folder = await unpacked("fonts", (staging, bin) => inflateArchive(path.join(bin, "fonts.tar.br"), staging));
  return path.join(folder, "fonts", "Open_Sans");
}

/** The part `name` of the package, in a folder of its own version; made by `unpack` in a staging folder that is then renamed. */
async function unpacked(name: string, unpack: (staging: string, bin: string) => Promise<unknown>): Promise<string> {
  const bin = path.resolve(require.resolve("@sparticuz/chromium"), "../../../bin");
  const manifest = JSON.parse(fs.readFileSync(path.join(bin, "..", "package.json"), "utf8")) as { version: string };
  const clone = projectFolder();
  const cache = clone ? path.join(clone, ".cache") : path.join(os.tmpdir(), `lory-${os.userInfo().username}`);
  const folder = path.join(cache, "chromium", manifest.version, name);
  if (fs.existsSync(folder)) return folder;
  const staging = `${folder}.${process.pid}`;
  fs.mkdirSync(staging, { recursive: true });
  try {
    await unpack(staging, bin);
    fs.renameSync(staging, folder);
  } catch (error) {
    fs.rmSync(staging, { recursive: true, force: true });
    // Another process may have been first.
    if (!fs.existsSync(folder)) throw error;
  }
  return folder;
}

function inflateFile(source: string, target: string): Promise<void> {
  const output = fs.createWriteStream(target, { mode: 0o755 });
  return pipeline(fs.createReadStream(source), createBrotliDecompress({ chunkSize: 1 << 21 }), output);
}

function inflateArchive(source: string, folder: string): Promise<void> {
  return pipeline(fs.createReadStream(source), createBrotliDecompress(), extract(folder));
}

function fontConfiguration(fonts: string, cache: string): string {
  return `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>${fonts}</dir>
  <cachedir>${cache}</cachedir>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
</fontconfig>
`;
}
