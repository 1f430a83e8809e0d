import { setImmediate as eventLoopTurn } from "node:timers/promises";
import type { Tokenizer } from "../data";
import type { ModelConfig, Params } from "../models";
import { openDecoder } from "./decoder";
import { checkedOptions, type CheckedOptions, type GenerateOptions } from "./generate-options";
import { sampleToken, uniformNumbers } from "./sampling";
import { stopStrings } from "./stop-strings";
import { textStream } from "./text-stream";

/** Why a generation ended. */
export type StopReason = "end_of_document" | "stop_string" | "max_new_tokens" | "context_end" | "aborted";

/** A text, or the ids of its tokens. */
export type Prompt = string | readonly number[];

/** Text that is new in one row of a batch: never a part of a character, nor what could begin a stop string. */
export interface GeneratedPiece {
  readonly row: number;
  readonly text: string;
}

/** What was written after a prompt. */
export interface GeneratedText {
  readonly text: string;
  /** The tokens that were drawn, with those of a stop string, without an end of document. */
  readonly ids: readonly number[];
  readonly reason: StopReason;
}

/**
 * Continues a prompt. It is read once, keys and values are kept, and each token is one run of one compiled program.
 *
 * With experts, the prompt routes once by default, and a token costs what the dense model's costs; with `routing: "segments"` each new
 * segment is routed as in training, which changes nothing of what stands before it. Modes whose tokens route themselves do so.
 *
 * @returns yields the new text piece by piece, never a part of a character; its return value says why it ended
 * @throws an error for a prompt that is empty or longer than the context, for a bad option, and for one that the model's mode cannot follow
 */
export async function* generate(
  params: Params,
  config: ModelConfig,
  tokenizer: Tokenizer,
  prompt: Prompt,
  options: GenerateOptions = {},
): AsyncGenerator<string, StopReason, undefined> {
  const pieces = generateBatch(params, config, tokenizer, [prompt], options);
  try {
    for (;;) {
      const next = await pieces.next();
      if (next.done) return next.value[0].reason;
      yield next.value.text;
    }
  } finally {
    await pieces.return([]);
  }
}

/**
 * Continues several prompts of any lengths at once. Row r is what `generate` gives for prompt r and the seed `seed + r`, so that the same
 * prompt given several times is continued in several ways. Each row of a model with merged experts has a network of its own.
 *
 * @returns yields pieces of the rows as they come; its return value is all texts, in the prompts' order
 * @throws as `generate`, which names the prompt
 */
export async function* generateBatch(
  params: Params,
  config: ModelConfig,
  tokenizer: Tokenizer,
  prompts: readonly Prompt[],
  options: GenerateOptions = {},
): AsyncGenerator<GeneratedPiece, GeneratedText[], undefined> {
  const checked = checkedOptions(options, config);
  const ids = await promptTokens(prompts, tokenizer, config);
  const rows = ids.map((prompt, row) => openRow(prompt, row, tokenizer, config, checked));
  const maxLength = Math.max(...ids.map(({ length }) => length)) + checked.maxNewTokens;
  const { routing, keepExperts: keep } = checked;
  const decoder = openDecoder(params, config, ids, { routing, keep, maxLength });
  let drawn: (number | null)[] | undefined;
  try {
    for (;;) {
      for (const row of rows) {
        if (options.signal?.aborted) row.end("aborted");
        row.endIfFull();
      }
      if (rows.some((row) => row.reason() === undefined)) {
        if (drawn !== undefined) decoder.append(drawn.map((id, row) => (rows[row].reason() === undefined ? id : null)));
        const logits = await decoder.logits();
        drawn = rows.map((row, i) => row.draw(logits[i]));
      }
      for (const [row, each] of rows.entries()) {
        const text = each.takePiece();
        if (text !== "") yield { row, text };
      }
      if (rows.every((row) => row.reason() !== undefined)) {
        return rows.map((row): GeneratedText => ({ text: row.text(), ids: row.ids(), reason: row.reason()! }));
      }
      await eventLoopTurn();
    }
  } finally {
    decoder.dispose();
  }
}

/** A text that is being written. */
interface Row {
  /** Draws the next token, unless the row has ended; null where none is to be appended. */
  draw(logits: Float32Array): number | null;
  end(reason: StopReason): void;
  endIfFull(): void;
  /** The text since the last call. */
  takePiece(): string;
  text(): string;
  ids(): readonly number[];
  reason(): StopReason | undefined;
}

function openRow(
  prompt: readonly number[],
  row: number,
  tokenizer: Tokenizer,
  { contextLength }: ModelConfig,
  { maxNewTokens, seed, stop, atContextEnd, ...sampling }: CheckedOptions,
): Row {
  const uniform = uniformNumbers(seed + row);
  const stream = textStream((fresh) => tokenizer.decode(fresh));
  const watch = stopStrings(stop);
  const ids: number[] = [];
  let text = "";
  let taken = 0;
  let reason: StopReason | undefined;

  const push = (piece: string): void => {
    const { text: certain, isStopped } = watch.push(piece);
    text += certain;
    if (isStopped) reason = "stop_string";
  };
  const end = (why: StopReason): void => {
    if (reason !== undefined) return;
    push(stream.end());
    if (reason !== undefined) return;
    reason = why;
    text += watch.end();
  };
  return {
    draw: (logits) => {
      if (reason !== undefined) return null;
      // A vocabulary larger than the tokenizer's is padding: those logits mean nothing.
      const id = sampleToken(logits.subarray(0, tokenizer.vocabSize), sampling, uniform());
      if (id === tokenizer.endOfDocument) end("end_of_document");
      else {
        ids.push(id);
        push(stream.push(id));
      }
      return reason === undefined ? id : null;
    },
    end,
    endIfFull: () => {
      if (reason !== undefined) return;
      if (ids.length === maxNewTokens) end("max_new_tokens");
      else if (prompt.length + ids.length >= contextLength && atContextEnd !== "slide") {
        if (atContextEnd === "error") {
          throw new Error(
            `the text of prompt ${row} has ${contextLength} tokens, the model's context, after ${ids.length} new ones: ` +
              `ask for fewer (maxNewTokens), shorten the prompt, or let the window slide (atContextEnd "slide")`,
          );
        }
        end("context_end");
      }
    },
    takePiece: () => {
      const piece = text.slice(taken);
      taken = text.length;
      return piece;
    },
    text: () => text,
    ids: () => ids,
    reason: () => reason,
  };
}

async function promptTokens(
  prompts: readonly Prompt[],
  tokenizer: Tokenizer,
  { contextLength, vocabSize }: ModelConfig,
): Promise<number[][]> {
  if (prompts.length === 0) throw new Error("there are no prompts: give one at least");
  const encoded = await tokenizer.encodeBatch(prompts.map((prompt) => (typeof prompt === "string" ? prompt : "")));
  const rows = prompts.map((prompt, row) => [...(typeof prompt === "string" ? encoded[row] : prompt)]);
  rows.forEach((ids, row) => {
    const which = prompts.length === 1 ? "the prompt" : `prompt ${row}`;
    if (ids.length === 0) throw new Error(`${which} is empty: give at least one token to route and to go on from`);
    if (ids.length > contextLength) {
      throw new Error(`${which} has ${ids.length} tokens, the model's context ${contextLength}: shorten it`);
    }
    const bad = ids.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocabSize);
    if (bad !== undefined) throw new Error(`${which} has the token ${bad}: the model knows 0 to ${vocabSize - 1}`);
  });
  return rows;
}
