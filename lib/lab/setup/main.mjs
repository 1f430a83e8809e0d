/** `npm run setup`: installs what Lory needs, inside this folder. Runs before anything is installed: Node's own modules only. */
import { parseArguments, USAGE } from "./arguments.mjs";
import { endWith } from "./errors.mjs";
import { setUp } from "./set-up.mjs";

await endWith(async () => {
  const { help, ...wanted } = parseArguments(process.argv.slice(2));
  if (help) {
    console.log(USAGE);
    return;
  }
  const count = await setUp(wanted);
  console.log(count === 0 ? "Everything is set up." : "Set up. Next: npm run quickstart, npm test or npm run lab");
});
