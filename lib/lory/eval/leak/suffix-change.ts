// Shapes: L tokens, V vocabulary.
import * as tf from "@tensorflow/tfjs-core";
import { jit } from "tfjs-backend-xla";
import { forward, type ModelConfig, type Params } from "../../models";

const logits = jit(
  (params: Params, tokens_1L: tf.Tensor2D, config: ModelConfig) => forward(params, tokens_1L, config).logits_BLV,
  { name: "logits" },
);

/**
 * The largest change of any logit before a position when every token from it on becomes another one: 0 exactly where the model is strictly
 * causal.
 *
 * @param tokens of one sequence
 * @param from the first position that is changed, 1 at least
 * @throws RangeError for a position that is not one of the sequence's, or its first
 */
export async function suffixChange(
  params: Params,
  config: ModelConfig,
  tokens: readonly number[],
  from: number,
): Promise<number> {
  if (!Number.isSafeInteger(from) || from < 1 || from >= tokens.length) {
    throw new RangeError(
      `from is ${from}: expected a position from 1 to ${tokens.length - 1}, before which and at which there are tokens`,
    );
  }
  const changed = tokens.map((token, i) => (i < from ? token : (token + 1) % config.vocabSize));
  const [before, after] = await Promise.all(
    [tokens, changed].map(async (row) => {
      const tokens_1L = tf.tensor2d([...row], [1, row.length], "int32");
      const logits_1LV = logits(params, tokens_1L, config);
      const values = await logits_1LV.data<"float32">();
      tf.dispose([tokens_1L, logits_1LV]);
      return values.subarray(0, from * config.vocabSize);
    }),
  );
  return before.reduce((largest, value, i) => Math.max(largest, Math.abs(value - after[i])), 0);
}
