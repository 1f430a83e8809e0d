/** `npx lory <command>`: what the library does without a notebook. */
import { init } from "../backend";
import { writeTensorBoard } from "../runs";
import {
  parseArguments,
  parseOptions,
  parseSettings,
  positiveNumber,
  required,
  UsageError,
  type OptionValues,
} from "./arguments";
import { writeLogits } from "./logits";
import { untilStopped } from "./stop-signals";
import { trainRun, trainSweep, type Outcome } from "./train";

const USAGE = `npx lory run CONFIG.json [--set KEY=VALUE]... [--runs-dir DIR] [--data DIR] [--no-tensorboard]

  Trains the run of a configuration, from where it stands, and prints a line every 15 seconds. CONFIG.json is what openRun takes, or
  the config.json of a run. The run directory is the one that a notebook with the same configuration, corpus and code has.

  --set KEY=VALUE     set a key: --set trainTokens=1e6 --set model.numExperts=8 (or numExperts=8)
  --runs-dir DIR      where run directories lie; results/runs of the clone without it
  --data DIR          a folder with built corpora, DIR/<name>/build or DIR/<name>; as the variable LORY_DATA
  --no-tensorboard    write no event files of TensorBoard beside the records

npx lory sweep SWEEP.json [--minutes N] [--tokens N] [--set KEY=VALUE]... [--runs-dir DIR] [--data DIR]

  Trains what is missing of {"base": CONFIG or "config.json", "grid": {"segmentLength": [64, 128]}, "seeds": [0, 1]}, or, with "list", of a
  list of settings in the grid's place. Runs that fail are listed at the end; the others are trained.

  --minutes N         stop the run at work with a checkpoint when the time is over
  --tokens N          begin no run that would take this call beyond so many tokens

  SIGINT, SIGTERM and SIGHUP stop both when the step in flight ends, with a checkpoint. npx passes signals to its shell alone: SIGTERM and
  SIGHUP are noticed by that, SIGINT not; in scripts, start node_modules/.bin/lory itself. Exit status: 0 if everything is trained, 1 if something failed, 2 for wrong arguments, 3 if
  the budget ended a sweep before its last run, 130, 143 or 129 after a signal. On Linux both run with memory in huge pages, unless
  GLIBC_TUNABLES says glibc.malloc.hugetlb=0.

npx lory tensorboard [--runs-dir DIR] [--logdir DIR] [--follow]

  Writes what all runs have recorded as event files of TensorBoard, into results/tensorboard of the clone; --follow goes on with what running
  trainings add. Then: tensorboard --logdir DIR

npx lory logits MODEL_DIR --tokens TOKENS.npy --out OUT.safetensors [--prompt-len N] [--grads] [--training]

  Runs the model of a Hugging Face directory (config.json, model.safetensors) on rows of token ids (integers, [B, L] or
  [L]) and writes, as safetensors: logits [B, L, V], loss (nats a token), routing.<layer> [B, N, E].

  --prompt-len N  route by the mean of each row's first N tokens, merged once, instead of by segments
  --grads         also write the gradient of the loss by every weight, as grad.<name>
  --training      route as in training: in the mode expert_choice, experts take their units from the whole batch`;

/** Exit statuses of trainings; a signal's own comes first. */
const STATUS = { done: 0, failed: 1, left: 3, stopped: 1 } as const satisfies Record<Outcome, number>;

const TRAINING_OPTIONS = {
  set: { type: "string", multiple: true },
  "runs-dir": { type: "string" },
  data: { type: "string" },
  "no-tensorboard": { type: "boolean" },
} as const;

/** What training commands have in common; says by LORY_DATA where corpora lie. */
function trainingOptions(values: OptionValues<typeof TRAINING_OPTIONS>) {
  if (values.data !== undefined) process.env.LORY_DATA = values.data;
  const tensorBoard = !values["no-tensorboard"];
  return { settings: parseSettings(values.set ?? []), runsDir: values["runs-dir"], tensorBoard };
}

async function run(args: string[]): Promise<number> {
  const { values, argument } = parseArguments(args, "CONFIG.json", TRAINING_OPTIONS);
  const options = trainingOptions(values);
  const { result, stopStatus } = await untilStopped((signal) => trainRun(argument, { ...options, signal }));
  return result === "done" ? 0 : (stopStatus ?? STATUS[result]);
}

async function sweep(args: string[]): Promise<number> {
  const { values, argument } = parseArguments(args, "SWEEP.json", {
    ...TRAINING_OPTIONS,
    minutes: { type: "string" },
    tokens: { type: "string" },
  });
  const options = trainingOptions(values);
  const [minutes, tokens] = [positiveNumber(values.minutes, "--minutes"), positiveNumber(values.tokens, "--tokens")];
  const budget = { ...(minutes === undefined ? {} : { minutes }), ...(tokens === undefined ? {} : { tokens }) };
  const { result, stopStatus } = await untilStopped((signal) => trainSweep(argument, { ...options, budget, signal }));
  return result === "done" ? 0 : (stopStatus ?? STATUS[result]);
}

async function logits(args: string[]): Promise<number> {
  const { values, argument } = parseArguments(args, "MODEL_DIR", {
    tokens: { type: "string" },
    out: { type: "string" },
    "prompt-len": { type: "string" },
    grads: { type: "boolean" },
    training: { type: "boolean" },
  });
  const promptLength = values["prompt-len"];
  const options = {
    model: argument,
    tokens: required(values.tokens, "--tokens"),
    out: required(values.out, "--out"),
    promptLength: promptLength === undefined ? undefined : Number(promptLength),
    grads: values.grads,
    training: values.training,
  };
  await init();
  await writeLogits(options);
  console.log(`wrote ${options.out}`);
  return 0;
}

async function tensorboard(args: string[]): Promise<number> {
  const { values } = parseOptions(args, {
    "runs-dir": { type: "string" },
    logdir: { type: "string" },
    follow: { type: "boolean" },
  });
  const { result } = await untilStopped((signal) =>
    writeTensorBoard({
      runsDir: values["runs-dir"],
      logDir: values.logdir,
      ...(values.follow ? { followEveryMs: 5000 } : {}),
      signal,
    }),
  );
  console.log(`wrote the events of ${result.runs.length} runs to ${result.logDir}`);
  return 0;
}

/** The commands; each gives the exit status. */
const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<number>>> = { run, sweep, tensorboard, logits };

async function main([name, ...args]: string[]): Promise<number> {
  if (name === undefined || name === "--help" || name === "-h") {
    console.log(USAGE);
    return 0;
  }
  if (!Object.hasOwn(COMMANDS, name)) throw new UsageError(`there is no command "${name}"`);
  return COMMANDS[name](args);
}

// After a SIGHUP there is no terminal to write to.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);

main(process.argv.slice(2)).then(
  (status) => (process.exitCode = status),
  (error: unknown) => {
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(error instanceof UsageError ? `${message}\n\n${USAGE}\n` : `${message}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
