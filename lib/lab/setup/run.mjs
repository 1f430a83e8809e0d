/**
 * `npm run <command>`: does what is left of the set-up, then the command's work.
 *
 *     node lib/lab/setup/run.mjs <command> [arguments]
 */
import { endWith, SetupError } from "./errors.mjs";
import { checkNode } from "./node-version.mjs";
import { setUp } from "./set-up.mjs";

/** @typedef {{ run(args: string[]): Promise<number> | number }} Command gives the exit status */

/**
 * The commands, and how much of the set-up each needs.
 * @type {Record<string, { load: () => Promise<Command>, needs: import("./set-up.mjs").Options | undefined }>}
 */
const COMMANDS = {
  quickstart: { load: () => import("./commands/quickstart.mjs"), needs: {} },
  test: { load: () => import("./commands/test.mjs"), needs: {} },
  "test:tfjs": { load: () => import("./commands/test-tfjs.mjs"), needs: { build: false } },
  lab: { load: () => import("./commands/lab.mjs"), needs: { keepOldBuild: true } },
  check: { load: () => import("./commands/check.mjs"), needs: { build: false } },
  bench: { load: () => import("./commands/bench.mjs"), needs: {} },
  golden: { load: () => import("./commands/golden.mjs"), needs: {} },
  interchange: { load: () => import("./commands/interchange.mjs"), needs: {} },
  data: { load: () => import("./commands/data.mjs"), needs: {} },
  docs: { load: () => import("./commands/docs.mjs"), needs: undefined },
  pack: { load: () => import("./commands/pack.mjs"), needs: {} },
  doctor: { load: () => import("./commands/doctor.mjs"), needs: undefined },
};

await endWith(async () => {
  const [name = "", ...args] = process.argv.slice(2);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new SetupError(`There is no command "${name}": ${Object.keys(COMMANDS).join(", ")}.`);
  checkNode();
  if (command.needs) await setUp(command.needs);
  return (await command.load()).run(args);
});
