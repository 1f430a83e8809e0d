import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

/** A script beside this file's source, which is where it lies in a build too. */
export const peerScript = (name: string): string =>
  path.join(path.dirname(require.resolve("lory/package.json")), "train/peers", name);

/** A Python with JAX: what LORY_JAX_PYTHON names, or one in `.cache/peers` of the checkout; made when it is missing or the requirements have changed. */
export function jaxPython(root: string): string {
  if (process.env.LORY_JAX_PYTHON) return process.env.LORY_JAX_PYTHON;
  const requirements = peerScript("requirements.txt");
  const environment = path.join(root, ".cache/peers");
  const python = path.join(environment, "bin/python");
  const stamp = path.join(environment, "requirements.sha256");
  const hash = createHash("sha256").update(fs.readFileSync(requirements)).digest("hex");
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, "utf8") === hash) return python;
  console.log("Installing JAX, a peer, into .cache/peers (about 400 MB)");
  fs.rmSync(environment, { recursive: true, force: true });
  for (const [command, ...args] of [
    ["python3", "-m", "venv", environment],
    [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirements],
  ]) {
    if (spawnSync(command, args, { stdio: "inherit" }).status !== 0)
      throw new Error(`${command} ${args.join(" ")} failed: see above`);
  }
  fs.writeFileSync(stamp, hash);
  return python;
}

/** A Python with PyTorch, which is too large to install unasked; says so in one line where there is none. */
export function torchPython(): string | undefined {
  const python = process.env.LORY_TORCH_PYTHON;
  if (python === undefined)
    console.log(
      "PyTorch is left out (5.3 GB): install lib/lory/train/peers/requirements-torch.txt, and name that Python in LORY_TORCH_PYTHON",
    );
  return python;
}
