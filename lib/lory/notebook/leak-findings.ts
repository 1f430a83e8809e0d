import type { Interval, Leak } from "../eval";
import { table, type Row, type Table } from "./table";

/** One measurement of what a model gains from the future. */
export interface MeasuredLeak {
  /** How the model is routed. */
  readonly model: string;
  /** T, tokens a segment. */
  readonly segmentLength: number;
  /** How it was measured. */
  readonly measure: string;
  readonly leak: Leak;
}

const DIGITS = 3;

/** Measurements one below the other, in nats a token with their intervals, the first segment and the later ones apart. */
export function leakTable(measured: readonly MeasuredLeak[]): Table {
  const rows = measured.map(({ model, segmentLength, measure, leak }): Row => ({
    model,
    T: segmentLength,
    measure,
    ...columns("segment 1", leak.total.firstSegment),
    ...columns("later segments", leak.total.laterSegments),
  }));
  return intervalTable(rows);
}

/** One measurement by domain, and over all domains. */
export function leakByDomainTable({ leak }: Pick<MeasuredLeak, "leak">): Table {
  const rows = [...leak.domains, leak.total].map(({ domain, documents, firstSegment, laterSegments }): Row => ({
    domain,
    documents,
    ...columns("segment 1", firstSegment),
    ...columns("later segments", laterSegments),
  }));
  return intervalTable(rows);
}

const PARTS = ["", ", from", ", to"] as const;

function columns(title: string, interval: Interval | null): Row {
  const values = interval === null ? [null, null, null] : [interval.mean, interval.low, interval.high];
  return Object.fromEntries(PARTS.map((part, i) => [`${title}${part}`, values[i]]));
}

function intervalTable(rows: readonly Row[]): Table {
  const titles = ["segment 1", "later segments"].flatMap((title) => PARTS.map((part) => `${title}${part}`));
  return table(rows, { digits: Object.fromEntries(titles.map((title) => [title, DIGITS])) });
}

/**
 * What came out of one measure over segment lengths, in a sentence made from the numbers: the gain in the first segment, and whether its
 * interval holds 0.
 *
 * @param subject what was measured, as the sentence begins
 * @param measured of one model and measure
 */
export function leakFindings(subject: string, measured: readonly MeasuredLeak[]): string {
  const sorted = [...measured].sort((a, b) => a.segmentLength - b.segmentLength);
  const each = sorted.map(({ segmentLength, leak }) => {
    const { mean, low, high } = leak.total.firstSegment;
    return `${signed(mean)} nats a token at T = ${segmentLength} (${signed(low)} to ${signed(high)})`;
  });
  const holding = (holds: (interval: Interval) => boolean): string | undefined => {
    const at = sorted.filter(({ leak }) => holds(leak.total.firstSegment)).map(({ segmentLength }) => segmentLength);
    return at.length === 0 ? undefined : at.length === sorted.length ? "at every T" : `at T = ${at.join(", ")}`;
  };
  const above = holding(({ low }) => low > 0);
  const below = holding(({ high }) => high < 0);
  const exact = holding(({ low, high }) => low === 0 && high === 0);
  const open = holding(({ low, high }) => low <= 0 && high >= 0 && !(low === 0 && high === 0));
  const verdicts = [
    above && `the interval is above 0 ${above}`,
    open && `it holds 0 ${open}`,
    below && `it is below 0 ${below}`,
    exact && `it is exactly 0 ${exact}`,
  ].filter((verdict) => verdict !== undefined);
  return `${subject}: ${each.join(", ")}; ${verdicts.join(", ")}.`;
}

function signed(nats: number): string {
  const shown = nats.toFixed(DIGITS);
  return Number(shown) === 0 ? (0).toFixed(DIGITS) : shown;
}
