import path from "node:path";
import { defineConfig } from "vitest/config";

const lib = path.resolve(import.meta.dirname, "lib");

/** Tests read the workspaces' sources, not what was built last. */
const alias = Object.entries({ "tfjs-backend-xla": "tfjs-backend-xla", lory: "lory", "lory-lab": "lab" }).flatMap(
  ([name, folder]) => [
    { find: new RegExp(`^${name}$`), replacement: path.join(lib, folder, "index.ts") },
    { find: new RegExp(`^${name}/([\\w-/]+)$`), replacement: path.join(lib, folder, "$1/index.ts") },
  ],
);

export default defineConfig({
  resolve: { alias },
  test: {
    include: ["lib/**/*.test.ts"],
    exclude: ["**/dist/**", "**/node_modules/**"],
    pool: "forks",
    // Tests are about what the device computes, however small it is.
    env: { XLA_HOST_ELEMENTS: "0" },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
