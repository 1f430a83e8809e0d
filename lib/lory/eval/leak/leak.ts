// Shapes: L positions of a window, T tokens a segment, P parts of a segment.
import { bootstrapMeans, type BootstrapOptions, type DocumentSum, type Interval } from "../bootstrap";

/** What a model gains from the future at one position of a window. */
export interface LeakSample {
  /** Of the token that predicts, from 0 on. */
  readonly position: number;
  /** Positions that it stands for. */
  readonly weight: number;
  /** The loss without the future minus the loss with it. */
  readonly nats: number;
}

/** The gain from the future in nats a token, with its bootstrap interval over documents; above 0 where the future helps. */
export type LeakInterval = Interval;

/** Means over a domain's documents, or over those of all. */
export interface DomainLeak {
  readonly domain: string;
  /** One window each. */
  readonly documents: number;
  /** Over all positions. */
  readonly all: LeakInterval;
  readonly firstSegment: LeakInterval;
  /** Null where a window is one segment. */
  readonly laterSegments: LeakInterval | null;
}

/** Means over the positions that lie in one part of their segments. */
export interface LeakByPlace {
  /** The part's places in a segment: the first, counted from 0, and the last. */
  readonly from: number;
  readonly to: number;
  readonly firstSegment: LeakInterval | null;
  readonly laterSegments: LeakInterval | null;
}

export interface Leak {
  readonly domains: readonly DomainLeak[];
  /** Over the documents of all domains. */
  readonly total: DomainLeak;
  /** Over the documents of all domains, by parts of a segment, 8 at most. */
  readonly places: readonly LeakByPlace[];
}

/** What is known of a domain: the samples of each document's window. */
export interface DomainSamples {
  readonly domain: string;
  readonly documents: readonly (readonly LeakSample[])[];
}

/** A segment is looked at in as many parts at most. */
export const SEGMENT_PARTS = 8;

/** The number of a segment's parts. */
export function segmentParts(segmentLength: number): number {
  return Math.min(SEGMENT_PARTS, segmentLength);
}

/**
 * Means of samples, with intervals from a bootstrap over documents.
 *
 * @param segmentLength T, no longer than a window
 */
export function leakOf(domains: readonly DomainSamples[], segmentLength: number, options: BootstrapOptions = {}): Leak {
  const parts = segmentParts(segmentLength);
  const partOf = (position: number): number => Math.floor(((position % segmentLength) * parts) / segmentLength);
  const isFirst = ({ position }: LeakSample): boolean => position < segmentLength;
  const places = Array.from({ length: parts }, (_, part) => part);
  const statistics: ((sample: LeakSample) => boolean)[] = [
    () => true,
    isFirst,
    (sample) => !isFirst(sample),
    ...places.map((part) => (sample: LeakSample) => isFirst(sample) && partOf(sample.position) === part),
    ...places.map((part) => (sample: LeakSample) => !isFirst(sample) && partOf(sample.position) === part),
  ];
  const sums = domains.map(({ documents }) =>
    documents.map((samples) => statistics.map((counts) => sumOf(samples.filter(counts)))),
  );
  const means = bootstrapMeans(sums, options);
  const named = (domain: string, documents: number, [all, firstSegment, laterSegments]: (Interval | null)[]) => {
    if (all === null || firstSegment === null) throw new Error(`${domain} has no sample of a first segment`);
    return { domain, documents, all, firstSegment, laterSegments };
  };
  const count = domains.reduce((sum, { documents }) => sum + documents.length, 0);
  return {
    domains: domains.map(({ domain, documents }, d) => named(domain, documents.length, means.strata[d])),
    total: named("all domains", count, means.total),
    places: places.map((part) => ({
      from: Math.ceil((part * segmentLength) / parts),
      to: Math.ceil(((part + 1) * segmentLength) / parts) - 1,
      firstSegment: means.total[3 + part],
      laterSegments: means.total[3 + parts + part],
    })),
  };
}

function sumOf(samples: readonly LeakSample[]): DocumentSum {
  return samples.reduce(
    ({ sum, weight }, sample) => ({ sum: sum + sample.weight * sample.nats, weight: weight + sample.weight }),
    { sum: 0, weight: 0 },
  );
}
