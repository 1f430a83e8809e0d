// Shapes: S windows, L context, T tokens a segment.
import type { Corpus } from "../../data";
import { leakOf, type DomainSamples, type Leak } from "./leak";
import { readsFuture } from "./reads-future";
import {
  leakWindows,
  windowLosses,
  withoutToken,
  type LeakModel,
  type LeakOptions,
  type LeakWindows,
} from "./window-losses";

/** A predictor's loss of each token of a window but the first, which it may not read ahead of. */
export type CausalLosses = (tokens_M: Int32Array) => ArrayLike<number>;

/**
 * How much a model gains from the future by a twin: a model that differs in its routing alone, which does not read the future, trained on the same
 * batches from the same seed. What the twin loses more on the same held-out windows, token by token.
 *
 * The difference holds all that the rule changes, not the reading of the future alone: where the model does not read it, as after
 * the first segment, it need not be 0. Intervals are over documents; another seed's pair differs by more.
 *
 * @throws Error if the twin reads the future, or the models' vocabularies differ; RangeError, CorpusError for bad options
 */
export async function leakByTwin(
  model: LeakModel,
  twin: LeakModel,
  corpus: Corpus,
  options: LeakOptions = {},
): Promise<Leak> {
  if (readsFuture(twin.config, twin.pass)) {
    throw new Error(
      `the twin reads the future (routingMode "${twin.config.routingMode}", firstSegmentRule "${twin.config.firstSegmentRule}"): ` +
        `expected a strictly causal one, such as firstSegmentRule "uniform"`,
    );
  }
  if (twin.config.vocabSize !== model.config.vocabSize) {
    throw new Error(
      `the twin's vocabSize is ${twin.config.vocabSize}, the model's ${model.config.vocabSize}: expected one`,
    );
  }
  const windows = leakWindows(corpus, model.config, options);
  leakWindows(corpus, twin.config, { ...options, length: windows.length });
  return leakAgainst(model, windows, options, (inputs_SL, targets_SL) =>
    windowLosses(twin, inputs_SL, targets_SL, windows.length, options),
  );
}

/**
 * How far a model's loss is below what no causal predictor can be below on average, for text whose best causal losses are known: a
 * lower bound of what it gains from the future.
 *
 * @param floor the losses of the best causal predictor on a window
 */
export async function leakBelowFloor(
  model: LeakModel,
  floor: CausalLosses,
  corpus: Corpus,
  options: LeakOptions = {},
): Promise<Leak> {
  const windows = leakWindows(corpus, model.config, options);
  const { length } = windows;
  return leakAgainst(model, windows, options, (inputs_SL, targets_SL) => {
    const losses_SL = new Float64Array(inputs_SL.length);
    for (let start = 0; start < inputs_SL.length; start += length) {
      const first = inputs_SL.subarray(start, start + 1);
      losses_SL.set(Array.from(floor(Int32Array.of(...first, ...targets_SL.subarray(start, start + length)))), start);
    }
    return Promise.resolve(losses_SL);
  });
}

async function leakAgainst(
  model: LeakModel,
  { length, domains }: LeakWindows,
  options: LeakOptions,
  causal: (inputs_SL: Int32Array, targets_SL: Int32Array) => Promise<ArrayLike<number>>,
): Promise<Leak> {
  const samples: DomainSamples[] = [];
  for (const windows of domains) {
    const [inputs_SL, targets_SL] = [withoutToken(windows, "last"), withoutToken(windows, "first")];
    const without_SL = await causal(inputs_SL, targets_SL);
    const with_SL = await windowLosses(model, inputs_SL, targets_SL, length, options);
    const sample = (s: number) => (_: unknown, position: number) => {
      const i = s * length + position;
      return { position, weight: 1, nats: without_SL[i] - with_SL[i] };
    };
    const documents = Array.from({ length: windows.windows }, (_, s) => Array.from({ length }, sample(s)));
    samples.push({ domain: windows.domain, documents });
  }
  return leakOf(samples, Math.min(model.config.segmentLength, length), options);
}
