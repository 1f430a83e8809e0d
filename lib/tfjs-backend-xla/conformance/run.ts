/** `npm run test:tfjs [-- filters]`: tfjs-core's own test suite on the backend `xla`. Filters are parts of files' names. */
import { suiteFiles } from "./bundle";
import { runSuite } from "./suite";
import { TO_COME } from "./to-come";
import { judge } from "./verdict";

async function main(filters: readonly string[]): Promise<void> {
  const all = suiteFiles();
  const files = all.filter((file) => filters.length === 0 || filters.some((filter) => file.includes(filter)));
  if (files.length === 0) throw new Error(`no file of tfjs-core's suite has ${filters.join(" or ")} in its name`);
  const start = process.hrtime.bigint();
  const { passed, skipped, failures } = judge(await runSuite(files), TO_COME, files.length === all.length);
  for (const { title, messages } of failures) console.log(`FAILED ${title}\n  ${messages.join("\n  ")}`);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  console.log(`tfjs-core's suite on xla: ${files.length} files in ${seconds.toFixed(0)} s`);
  console.log(`${passed} passed, ${failures.length} failed, ${skipped} skipped`);
  process.exitCode = failures.length > 0 ? 1 : 0;
}

void main(process.argv.slice(2));
