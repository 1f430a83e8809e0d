import { spawnSync } from "node:child_process";
import path from "node:path";

const REPOSITORY = path.resolve(__dirname, "../../..");
const PYTHON = path.join(
  REPOSITORY,
  ".venv",
  ...(process.platform === "win32" ? ["Scripts", "python.exe"] : ["bin", "python"]),
);

/**
 * Runs `run.py`, for tests.
 *
 * @param args notebooks and options
 * @param cwd the working folder
 * @param env added to this process's environment
 */
export function runHeadless(
  args: readonly string[],
  cwd: string,
  env: NodeJS.ProcessEnv = {},
): { status: number | null; stdout: string } {
  const { status, stdout } = spawnSync(PYTHON, [path.join(__dirname, "run.py"), ...args], {
    cwd,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return { status, stdout };
}
