/** The set-up: the steps that are not done, one after the other, by one process at a time. */
import fs from "node:fs";
import { build } from "./build.mjs";
import { endPrograms, failureLines, runLogged } from "./child.mjs";
import { cpuKernels } from "./cpu-kernels.mjs";
import { embeddings, EMBEDDINGS_FLAG, hasEmbeddings, keepEmbeddings } from "./embeddings.mjs";
import { asMendable, SetupError } from "./errors.mjs";
import { hasInterop, interop, INTEROP_FLAG, interopObstacle, keepInterop } from "./interop.mjs";
import { jupyter } from "./jupyter.mjs";
import { takeLock } from "./lock.mjs";
import { nodeModules } from "./node-modules.mjs";
import { checkNode } from "./node-version.mjs";
import { at, STATE } from "./places.mjs";
import { chooseCuda, cpuPlugin, cudaPlugin, NO_CPU_PLUGIN, wantsCuda } from "./plugins.mjs";
import { pythonPackages } from "./python.mjs";
import { checkRoom } from "./step.mjs";
import {
  hasTensorflow,
  keepTensorflow,
  tensorflow,
  tensorflowFlag,
  tensorflowObstacle,
  VARIANTS,
} from "./tensorflow.mjs";

/** @typedef {import("./step.mjs").Step} Step */
/** @typedef {Awaited<ReturnType<typeof takeLock>>} Lock */
/**
 * @typedef {object} Options
 * @property {boolean} [cuda] whether to add the plugin for NVIDIA GPUs
 * @property {readonly import("./tensorflow.mjs").Variant[]} [tensorflow] variants of the backend `tensorflow` to add
 * @property {boolean} [embeddings] whether to add encoders for embeddings
 * @property {boolean} [interop] whether to add what the tests of exchanged models use
 * @property {boolean} [build] false leaves the library uncompiled
 * @property {boolean} [keepOldBuild] whether a library that does not compile is only warned of when an older build is there
 */

/** Lines of a failed step's log that are shown. */
const SHOWN_LINES = 10;
const SIGNALS = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);

/** The steps for this machine. @param {Options} [options] @returns {Step[]} */
export function steps(options = {}) {
  return [
    nodeModules,
    pythonPackages,
    ...(NO_CPU_PLUGIN ? [] : [cpuPlugin]),
    ...(wantsCuda() ? [cudaPlugin] : []),
    ...(options.build === false ? [] : [build]),
    cpuKernels(),
    jupyter,
    ...VARIANTS.filter((variant) => hasTensorflow(variant) || options.tensorflow?.includes(variant)).flatMap(
      tensorflow,
    ),
    ...(hasEmbeddings() || options.embeddings ? [embeddings] : []),
    ...(hasInterop() || options.interop ? interop : []),
  ];
}

/** Whether a step is done; one that cannot be examined, as nothing is there yet, is not. @param {Step} step */
export function isDone(step) {
  try {
    return step.isDone();
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return false;
    throw error;
  }
}

/**
 * Does what is not done yet; silent if that is nothing.
 * @param {Options} [options]
 * @returns {Promise<number>} how many steps there were to do
 * @throws {SetupError} with what mends it
 */
export async function setUp(options = {}) {
  checkNode();
  const variants = options.tensorflow ?? [];
  const isChosen =
    (!options.cuda || wantsCuda()) &&
    variants.every(hasTensorflow) &&
    (!options.embeddings || hasEmbeddings()) &&
    (!options.interop || hasInterop());
  if (isChosen && steps(options).every(isDone)) return 0;
  for (const variant of variants) {
    const obstacle = tensorflowObstacle(variant);
    if (obstacle) throw new SetupError(obstacle);
  }
  const obstacle = options.interop ? interopObstacle() : undefined;
  if (obstacle) throw new SetupError(obstacle);

  const lock = await takeLock(`${STATE}/lock`, ({ pid }) =>
    console.log(`Another set-up is at work here (process ${pid}): waiting for it.`),
  );
  const interruption = new AbortController();
  const interrupt = () => {
    interruption.abort(new SetupError(`Interrupted. To go on: ${again(options)}`, 130));
    endPrograms();
  };
  for (const signal of SIGNALS) process.on(signal, interrupt);
  try {
    if (options.cuda) chooseCuda();
    let count = 0;
    const all = steps(options);
    for (const [index, step] of all.entries()) {
      if (isDone(step)) continue;
      if (count === 0 && NO_CPU_PLUGIN) console.log(NO_CPU_PLUGIN);
      count += 1;
      console.log(`[${index + 1}/${all.length}] ${step.title}: about ${step.megabytes} MB, ${step.duration}`);
      await runStep(step, lock, options, interruption.signal);
    }
    for (const variant of variants) keepTensorflow(variant);
    if (options.embeddings) keepEmbeddings();
    if (options.interop) keepInterop();
    return count;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
    lock.release();
  }
}

/** @param {Step} step @param {Lock} lock @param {Options} options @param {AbortSignal} interruption */
async function runStep(step, lock, options, interruption) {
  checkRoom(step);
  const started = Date.now();
  const log = `${STATE}/${step.id}.log`;
  const descriptor = fs.openSync(log, "w");
  try {
    await step.work({
      async run(command, args, more = {}) {
        const succeeded = await runLogged(command, args, descriptor, (pid) => lock.note(pid), more);
        // A step that goes on to its next way of doing things would ignore the interruption.
        interruption.throwIfAborted();
        return succeeded;
      },
    });
    console.log(`      done in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    interruption.throwIfAborted();
    const mendable = asMendable(error);
    if (!mendable) throw error;
    const logged = showFailure(log) ? ` Log: ${log}.` : "";
    if (options.keepOldBuild && step === build && fs.existsSync(at("lib/lab/dist/kernel/main.js"))) {
      console.log(`${mendable.message} What was built before is used.`);
      return;
    }
    throw new SetupError(`${mendable.message}${logged} To go on when it is mended: ${again(options)}`);
  } finally {
    fs.closeSync(descriptor);
  }
}

/** The command that does what is left. Optional parts are remembered when they are there: they must not stop the rest. @param {Options} options */
function again({ tensorflow: variants = [], embeddings: withEmbeddings = false, interop: withInterop = false }) {
  const extras = [...(withEmbeddings ? [EMBEDDINGS_FLAG] : []), ...(withInterop ? [INTEROP_FLAG] : [])];
  const flags = [...variants.map(tensorflowFlag), ...extras];
  return ["npm run setup", ...(flags.length ? ["--", ...flags] : [])].join(" ");
}

/** Shows what a log says went wrong, without stack frames; whether it says anything. @param {string} log */
function showFailure(log) {
  const lines = failureLines(fs.readFileSync(log, "utf8"), SHOWN_LINES);
  for (const line of lines) console.log(`      ${line}`);
  return lines.length > 0;
}
