// Shapes: S windows, L context, T tokens a segment, K other documents.
import { CorpusError, type Corpus, type HeldOutWindows } from "../../data";
import { below, randomBits } from "../../data/permutation";
import { leakOf, SEGMENT_PARTS, type DomainSamples, type Leak, type LeakSample } from "./leak";
import { leakWindows, windowLosses, withoutToken, type LeakModel, type LeakOptions } from "./window-losses";

export interface SwapOptions extends LeakOptions {
  /** K, other documents that a window's future is taken from in turn; default 4, and no more than the domain has. */
  readonly donors?: number;
  /** Positions of each window's first segment that are probed, no more than it has; default 8. */
  readonly firstProbes?: number;
  /** Positions of all of its later segments; default 8. */
  readonly laterProbes?: number;
}

/** What a model gains from the future, by two ways of taking it away. */
export interface SwapLeak {
  /** The future is another document's: the mean loss over K of them. It misleads a model that trusts it, so that this is too much rather than too little. */
  readonly wrongFuture: Leak;
  /**
   * The future is not known: the loss of the mean of the K predictions, which is what the same weights can do without it. Never above the other; it falls as K grows,
   * to what is gained over averaging the domain's futures.
   */
  readonly unknownFuture: Leak;
}

/** Positions of which one is probed in every window. */
interface Stratum {
  readonly from: number;
  readonly size: number;
}

/**
 * How much a model gains from the future, by taking the future of other documents with the same weights.
 *
 * To probe position t of a window, its tokens after t are replaced by those at the same places of another document of the same domain, and the loss of the
 * window's own token t + 1 is taken at t. So the tokens up to t keep their part in every mean that the model routes by, what
 * follows gets another's, in every layer, and the model meets means as it was trained on. What is strictly causal gets exactly 0.
 *
 * The first segment, and all later ones, are cut into as many strata as are probed; each window is probed at a random position of each, so that the
 * means over positions are unbiased, and exact where strata are single positions. Donors are the next windows of the domain's fixed order.
 *
 * @throws CorpusError for a domain with one document that is long enough; RangeError for bad options
 */
export async function leakBySwap(model: LeakModel, corpus: Corpus, options: SwapOptions = {}): Promise<SwapLeak> {
  const { donors = 4, firstProbes = SEGMENT_PARTS, laterProbes = SEGMENT_PARTS } = options;
  for (const [name, value] of Object.entries({ donors, firstProbes, laterProbes })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new RangeError(`${name} is ${value}: expected a whole number of at least 1`);
    }
  }
  const { length, domains } = leakWindows(corpus, model.config, options);
  const segmentLength = Math.min(model.config.segmentLength, length);
  const strata = [...cut(0, segmentLength, firstProbes), ...cut(segmentLength, length, laterProbes)];
  const [wrong, unknown]: DomainSamples[][] = [[], []];
  for (const [d, windows] of domains.entries()) {
    const { domain, windows: count } = windows;
    if (count < 2) {
      throw new CorpusError(
        `domain ${domain} of corpus ${corpus.name} has one held-out document of ${length + 1} tokens: the future is taken from another`,
      );
    }
    const probes = await probe(model, windows, length, strata, Math.min(donors, count - 1), d, options);
    wrong.push({ domain, documents: probes.map((each) => each.map(({ wrong: nats, ...at }) => ({ ...at, nats }))) });
    unknown.push({
      domain,
      documents: probes.map((each) => each.map(({ unknown: nats, ...at }) => ({ ...at, nats }))),
    });
  }
  return {
    wrongFuture: leakOf(wrong, segmentLength, options),
    unknownFuture: leakOf(unknown, segmentLength, options),
  };
}

type Probe = Pick<LeakSample, "position" | "weight"> & { readonly wrong: number; readonly unknown: number };

/** The probes of each window of a domain. */
async function probe(
  model: LeakModel,
  windows: HeldOutWindows,
  length: number,
  strata: readonly Stratum[],
  donors: number,
  stream: number,
  options: SwapOptions,
): Promise<Probe[][]> {
  const { windows: count } = windows;
  const [inputs_SL, targets_SL] = [withoutToken(windows, "last"), withoutToken(windows, "first")];
  const own_SL = await windowLosses(model, inputs_SL, targets_SL, length, options);
  const bits = randomBits(options.seed ?? 0, stream);
  const probes = Array.from({ length: count }, (): Probe[] => []);
  for (const { from, size } of strata) {
    const positions = probes.map(() => from + below(size, bits));
    const swapped: Float32Array[] = [];
    for (let k = 1; k <= donors; k++) {
      const mixed_SL = inputs_SL.slice();
      positions.forEach((position, s) => {
        const [start, donor] = [s * length, ((s + k) % count) * length];
        mixed_SL.set(inputs_SL.subarray(donor + position + 1, donor + length), start + position + 1);
      });
      swapped.push(await windowLosses(model, mixed_SL, targets_SL, length, options));
    }
    positions.forEach((position, s) => {
      const own = own_SL[s * length + position];
      const losses = swapped.map((losses_SL) => losses_SL[s * length + position]);
      const gain = { wrong: meanOf(losses.map((loss) => loss - own)), unknown: lossOfMeanPrediction(losses) - own };
      probes[s].push({ position, weight: size, ...gain });
    });
  }
  return probes;
}

/** Cuts the positions from `from` up to `to` into nearly equal strata, as many as positions at most. */
function cut(from: number, to: number, count: number): Stratum[] {
  const strata = Math.min(count, to - from);
  const edge = (i: number): number => from + Math.ceil((i * (to - from)) / strata);
  return Array.from({ length: strata }, (_, i) => ({ from: edge(i), size: edge(i + 1) - edge(i) }));
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** `-log mean exp(-loss)`; the loss itself, to the last bit, where all are equal. */
function lossOfMeanPrediction(losses: readonly number[]): number {
  const least = Math.min(...losses);
  return least - Math.log(meanOf(losses.map((loss) => Math.exp(least - loss))));
}
