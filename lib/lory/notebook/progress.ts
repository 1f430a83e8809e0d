import { Bars, type BarState } from "./bars";
import { kernel } from "./kernel";
import { formatCount, formatDuration, formatRate } from "./numbers";
import { Pace } from "./pace";

export interface ProgressOptions<T> {
  /** Where the end is, in `unit`; default: the length of an array, else unknown. */
  readonly total?: number;
  readonly label?: string;
  /** What is counted, such as "tokens"; default: items. */
  readonly unit?: string;
  /** How far `item` brings it, in `unit`; default: the number of items so far. */
  readonly position?: (item: T, count: number) => number;
}

/**
 * Passes items on and draws one bar in place with position, speed and time left. An interrupt of the cell ends it before
 * the next item. Outside a notebook a line is printed now and then.
 *
 *     for await (const batch of progress(batches, { label: "embedding", total: 300 })) ...
 */
export async function* progress<T>(
  items: Iterable<T> | AsyncIterable<T>,
  options: ProgressOptions<T> = {},
): AsyncGenerator<T, void, undefined> {
  const { label = "", unit = "", position = (_: T, count: number) => count } = options;
  const total = options.total ?? (Array.isArray(items) ? items.length : undefined);
  const bars = new Bars();
  const pace = new Pace();
  const started = Date.now();
  let at = 0;
  let count = 0;
  const draw = (isFinal: boolean) => {
    const rate = pace.perSecond();
    const state: BarState = {
      label,
      fraction: total === undefined ? undefined : total === 0 ? 1 : at / total,
      details: isFinal
        ? [`${amount(at, total, unit)}`, formatDuration((Date.now() - started) / 1000)].join(", ")
        : describe(at, total, unit, rate),
    };
    return bars.draw([state], state, isFinal);
  };
  try {
    for await (const item of items) {
      kernel()?.signal.throwIfAborted();
      yield item;
      at = position(item, ++count);
      pace.record(at);
      // Messages to the front end leave only when the event loop turns.
      if (draw(false)) await new Promise(setImmediate);
    }
  } finally {
    draw(true);
  }
}

function amount(at: number, total: number | undefined, unit: string): string {
  return `${formatCount(at)}${total === undefined ? "" : ` / ${formatCount(total)}`}${unit && ` ${unit}`}`;
}

function describe(at: number, total: number | undefined, unit: string, rate: number | undefined): string {
  const parts = [amount(at, total, unit)];
  if (rate) parts.push(`${formatRate(rate)}${unit && ` ${unit}`}/s`);
  if (rate && total !== undefined) parts.push(`${formatDuration((total - at) / rate)} left`);
  return parts.join(", ");
}
