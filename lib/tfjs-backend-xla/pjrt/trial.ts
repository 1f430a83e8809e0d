import { spawnSync } from "node:child_process";
import { PluginError } from "./errors";

/** Longer than any plugin was seen to take, from a slow disk too. */
const TIMEOUT_MS = 60_000;

/**
 * Does to a library what `loadPlugin` does, natively: opens it, asks it for its PJRT_Api and, if its version may be called, initializes it.
 * Says each step before it is taken. Errors that are no crash end it quietly: `loadPlugin` meets them too, and has the words for them.
 * A script of its own, so that the child reads no other code. Arguments: koffi's path, the library, the API's major version.
 */
const SCRIPT = `
const { writeSync } = require("node:fs");
const [, koffiPath, file, major] = process.argv;
const says = (step) => writeSync(1, step + "\\n");
process.on("uncaughtException", () => { says("done"); process.reallyExit(0); });
says("it is opened");
const koffi = require(koffiPath);
const library = koffi.load(file);
const getApi = library.func("GetPjrtApi", "uintptr_t", []);
says("GetPjrtApi runs");
const api = BigInt(getApi());
if (api === 0n) throw new Error("no table");
says("its table of functions is read");
const bytes = Number(koffi.decode.uint64(api));
if (koffi.decode.int(api + 32n) !== Number(major) || bytes < 72) throw new Error("another version");
says("it is initialized");
const initialize = koffi.decode(BigInt(koffi.decode.uint64(api + 64n)), koffi.proto("uintptr_t", ["uintptr_t"]));
const args = new BigUint64Array(16);
args[0] = 128n;
initialize(koffi.address(args));
says("done");
process.reallyExit(0);
`;

/**
 * Loads a library in a child process first, since one that is no plugin, or a damaged one, may end the process that loads it.
 * @throws {PluginError} if the child is ended by it, or does not come to an end, saying at which step
 */
export function tryInChild(file: string, major: number, timeoutMs = TIMEOUT_MS): void {
  const env = { ...process.env };
  delete env.NODE_OPTIONS; // what it preloads is not for the child
  const { stdout, signal, error } = spawnSync(
    process.execPath,
    ["--eval", SCRIPT, require.resolve("koffi"), file, String(major)],
    { env, timeout: timeoutMs, killSignal: "SIGKILL", encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  const steps = stdout.trim().split("\n");
  const step = steps[steps.length - 1];
  if (step === "done") return;
  const isLate = error !== undefined && "code" in error && error.code === "ETIMEDOUT";
  if (error && !isLate) throw new PluginError(`${file} cannot be tried in a process of its own: ${error.message}`);
  const fate = isLate ? `does not come to an end in ${timeoutMs / 1000} s` : `is ended by it (${signal ?? "it exits"})`;
  throw new PluginError(`${file} is no usable PJRT plugin: a process that loads it ${fate} while ${step}`);
}
