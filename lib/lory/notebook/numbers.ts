const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** A count for people to read: `412,000`. */
export function formatCount(value: number): string {
  return grouped.format(value);
}

/** Seconds for people to read: `47 s`, `3 min 20 s`, `1 h 5 min`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

/** A speed for people to read: counts from 100 on, three digits below. */
export function formatRate(perSecond: number): string {
  return perSecond >= 100 ? formatCount(perSecond) : perSecond.toPrecision(3).replace(/\.?0+$/, "");
}
