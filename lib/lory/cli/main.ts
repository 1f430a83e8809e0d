/** `npx lory <command>`: what the library does without a notebook. */
import { parseArgs } from "node:util";
import { init } from "../backend";
import { writeLogits } from "./logits";

const USAGE = `npx lory logits MODEL_DIR --tokens TOKENS.npy --out OUT.safetensors [--prompt-len N] [--grads] [--training]

  Runs the model of a Hugging Face directory (config.json, model.safetensors) on rows of token ids (integers, [B, L] or
  [L]) and writes, as safetensors: logits [B, L, V], loss (nats a token), routing.<layer> [B, N, E].

  --prompt-len N  route by the mean of each row's first N tokens, merged once, instead of by segments
  --grads         also write the gradient of the loss by every weight, as grad.<name>
  --training      route as in training: in the mode expert_choice, experts take their units from the whole batch`;

/** The arguments are wrong: the program says how they should be. */
class UsageError extends Error {}

const required = (value: string | undefined, name: string): string => {
  if (value === undefined) throw new UsageError(`${name} is missing`);
  return value;
};

async function logits(args: string[]): Promise<void> {
  const { values, positionals } = parse(args);
  if (positionals.length > 1) throw new UsageError(`one MODEL_DIR is expected, not ${positionals.join(" and ")}`);
  const promptLength = values["prompt-len"];
  const options = {
    model: required(positionals[0], "MODEL_DIR"),
    tokens: required(values.tokens, "--tokens"),
    out: required(values.out, "--out"),
    promptLength: promptLength === undefined ? undefined : Number(promptLength),
    grads: values.grads,
    training: values.training,
  };
  await init();
  await writeLogits(options);
  console.log(`wrote ${options.out}`);
}

function parse(args: string[]) {
  const options = {
    tokens: { type: "string" },
    out: { type: "string" },
    "prompt-len": { type: "string" },
    grads: { type: "boolean" },
    training: { type: "boolean" },
  } as const;
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

const COMMANDS: Readonly<Record<string, (args: string[]) => Promise<void>>> = { logits };

async function main([name, ...args]: string[]): Promise<void> {
  if (name === undefined || name === "--help" || name === "-h") return console.log(USAGE);
  if (!Object.hasOwn(COMMANDS, name)) throw new UsageError(`there is no command "${name}"`);
  await COMMANDS[name](args);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(error instanceof UsageError ? `${message}\n\n${USAGE}\n` : `${message}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
