// Shapes: B rows, L tokens read at once, C places of the cache, V vocabulary.
import * as tf from "@tensorflow/tfjs-core";
import { dynamicUpdateSlice, jit } from "tfjs-backend-xla";
import { decodeToken, decodingParams, prefill, routeNextSegments } from "../models";
import type { LayerMemory, ModelConfig, Params, Prefilled } from "../models";
import { routesPrompts, type DecodingPass, type KeptExperts, type RoutedExperts } from "../moe";

/** Texts that grow token by token, a row each. */
export interface Decoder {
  /** The logits of each row's next token. */
  logits(): Promise<Float32Array[]>;
  /** Goes on with a token of each row; null leaves a row as it is, and its logits mean nothing from then on. */
  append(tokens: readonly (number | null)[]): void;
  dispose(): void;
}

export interface DecoderOptions {
  /** By what the texts are routed, where segments are routed at all. */
  readonly routing: "prompt" | "segments";
  /** Experts of a prompt's merge; all without it. */
  readonly keep?: KeptExperts;
  /** The longest that a row will become. */
  readonly maxLength: number;
}

const readPrompts = jit(prefill, { name: "read prompts" });
const writeToken = jit(decodeToken, { donate: [1], name: "write a token" });
const startSegment = jit(routeNextSegments, { donate: [1], name: "route the next segment" });

/** Tensors whose first axes are the rows, with one of these replaced. */
const replaceRow = jit(
  (all: readonly tf.Tensor[], own: readonly tf.Tensor[], row: tf.Scalar): tf.Tensor[] =>
    all.map((tensor, i) => dynamicUpdateSlice(tensor, own[i], [row, ...tensor.shape.slice(1).map(() => 0)])),
  { donate: [0], name: "replace a row" },
);

/** Fewest tokens that a program reads. */
const SMALLEST_BUCKET = 16;

/** What prompts are filled up to, and caches made for: a power of two, so that programs are few, but no more than the context. */
export function lengthBucket(length: number, contextLength: number): number {
  return Math.min(contextLength, Math.max(SMALLEST_BUCKET, 2 ** Math.ceil(Math.log2(length))));
}

/** Tokens that stay when a full window slides. */
export function keptWindow(contextLength: number): number {
  return Math.floor(contextLength / 2);
}

/**
 * Reads prompts, and holds what writing on needs: keys and values of every layer, written in place, and what routes the texts.
 *
 * A row that has filled the context goes on with the newer half of it, read anew from position 0 as a prompt, which routes as a prompt does:
 * what comes next depends on that window alone.
 *
 * @param prompts token ids, 1 to `contextLength` a row
 */
export function openDecoder(
  params: Params,
  config: ModelConfig,
  prompts: readonly (readonly number[])[],
  options: DecoderOptions,
): Decoder {
  const { contextLength } = config;
  const windows = prompts.map((ids) => [...ids]);
  const longest = Math.max(options.maxLength, ...windows.map(({ length }) => length));
  const places = lengthBucket(Math.min(longest, contextLength), contextLength);
  let state = read(params, config, windows, places, options);

  const routeRow = (row: number): void => {
    const layers = state.memory.map(({ sum_BQ }, i) => ({ sum_BQ, routed: state.routed[i] }));
    const next = withTensors([tf.scalar(row, "int32"), tf.scalar(windows[row].length)], ([row_, tokens]) =>
      startSegment(params, layers, row_ as tf.Scalar, tokens as tf.Scalar, config),
    );
    const memory = state.memory.map(({ k_BHCK, v_BHCK }, i): LayerMemory => {
      const { sum_BQ } = next[i];
      return { k_BHCK, v_BHCK, ...(sum_BQ && { sum_BQ }) };
    });
    state = { ...state, memory, routed: next.map(({ routed }) => routed) };
  };
  const slide = (row: number): void => {
    windows[row] = windows[row].slice(-keptWindow(contextLength));
    const fresh = read(params, config, [windows[row]], places, options);
    if (windows.length === 1) {
      tf.dispose(state);
      state = fresh;
      return;
    }
    const replaced = withTensors([tf.scalar(row, "int32")], ([row_]) =>
      replaceRow(rowTensors(state), rowTensors(fresh), row_ as tf.Scalar),
    );
    state = withRowTensors(state, replaced);
    tf.dispose(fresh);
  };

  return {
    logits: async () => {
      const { logits_BV } = state;
      const vocabSize = logits_BV.shape[1];
      const values = (await logits_BV.data()) as Float32Array;
      return windows.map((_, row) => values.subarray(row * vocabSize, (row + 1) * vocabSize));
    },
    append: (tokens) => {
      tokens.forEach((token, row) => {
        if (token === null) return;
        if (windows[row].length === contextLength) slide(row);
        if (startsRouting(windows[row].length, config, options)) routeRow(row);
      });
      const token_B = tf.tensor1d(tokens.map((token) => token ?? 0), "int32"); // prettier-ignore
      // A row that is left writes over its last place.
      const position_B = tf.tensor1d(windows.map(({ length }) => Math.min(length, places - 1)), "int32"); // prettier-ignore
      const start_B = documentStarts(windows, config);
      const next = withTensors([token_B, position_B, ...(start_B ? [start_B] : [])], () =>
        writeToken(decodingParams(params, state.routed), state.memory, token_B, position_B, config, start_B),
      );
      state.logits_BV.dispose();
      state = { ...next, routed: state.routed };
      tokens.forEach((token, row) => {
        if (token !== null) windows[row].push(token);
      });
    },
    dispose: () => tf.dispose(state),
  };
}

function read(
  params: Params,
  config: ModelConfig,
  rows: readonly (readonly number[])[],
  places: number,
  { routing, keep }: DecoderOptions,
): Prefilled {
  const lengths = rows.map((ids) => ids.length);
  const length = lengthBucket(Math.max(...lengths), places);
  const tokens = new Int32Array(rows.length * length);
  rows.forEach((ids, row) => tokens.set(ids, row * length));
  const tokens_BL = tf.tensor2d(tokens, [rows.length, length], "int32");
  const promptLength_B = tf.tensor1d(lengths, "int32");
  const pass: DecodingPass =
    routing === "segments" ? { kind: "continuation", promptLength_B } : { kind: "prompt", promptLength_B, keep };
  return withTensors([tokens_BL, promptLength_B], () => readPrompts(params, tokens_BL, pass, config, places));
}

/** Where the document of each row's next token begins; undefined where attention does not heed it. */
function documentStarts(
  windows: readonly (readonly number[])[],
  { documentMask }: ModelConfig,
): tf.Tensor1D | undefined {
  if (documentMask === null) return undefined;
  return tf.tensor1d(windows.map((ids) => ids.lastIndexOf(documentMask) + 1), "int32"); // prettier-ignore
}

/** Whether the token at a position is the first of a segment that is routed by what stands before it. */
function startsRouting(position: number, config: ModelConfig, { routing }: DecoderOptions): boolean {
  const { numExperts, routingMode, segmentLength } = config;
  const isBySegments = routingMode === "document_pool" || (routing === "segments" && routesPrompts(config));
  if (numExperts === 0 || !isBySegments || position === 0 || position % segmentLength !== 0) return false;
  return routingMode !== "prefix" || position === segmentLength;
}

/** Runs a function on tensors that are disposed of after it. */
function withTensors<T>(tensors: tf.Tensor[], fn: (tensors: tf.Tensor[]) => T): T {
  try {
    return fn(tensors);
  } finally {
    tf.dispose(tensors);
  }
}

/** What each row has of its own, but for the logits. */
function rowTensors({ memory, routed }: Prefilled): tf.Tensor[] {
  const ofLayers = memory.flatMap(({ k_BHCK, v_BHCK, sum_BQ }) => [k_BHCK, v_BHCK, ...(sum_BQ ? [sum_BQ] : [])]);
  const ofRouting = routed.flatMap(({ network, lowering_BE }) => [
    ...(network ? [network.gateUp_RDG, network.down_RFD] : []),
    ...(lowering_BE ? [lowering_BE] : []),
  ]);
  return [...ofLayers, ...ofRouting];
}

/** The state with other tensors in the places of those that `rowTensors` lists. */
function withRowTensors({ memory, routed, logits_BV }: Prefilled, tensors: readonly tf.Tensor[]): Prefilled {
  const rest = [...tensors];
  const next = <T extends tf.Tensor>(): T => rest.shift() as T;
  return {
    logits_BV,
    memory: memory.map(({ sum_BQ }): LayerMemory => {
      const cache = { k_BHCK: next<tf.Tensor4D>(), v_BHCK: next<tf.Tensor4D>() };
      return sum_BQ === undefined ? cache : { ...cache, sum_BQ: next<tf.Tensor2D>() };
    }),
    routed: routed.map(({ network, lowering_BE, ...bank }): RoutedExperts => {
      const own = network && { network: { gateUp_RDG: next(), down_RFD: next() } };
      return { ...bank, ...own, ...(lowering_BE && { lowering_BE: next<tf.Tensor2D>() }) };
    }),
  };
}
