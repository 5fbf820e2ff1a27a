/** Medians and spreads, which the benches report. */

/** Five numbers that summarise a set of samples. */
export interface Summary {
  readonly median: number;
  readonly p10: number;
  readonly p90: number;
  readonly best: number;
  readonly count: number;
}

/** The value at quantile `q` (0 to 1) of `sorted` (ascending), interpolated. NaN if empty. */
const quantile = (sorted: readonly number[], q: number): number => {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? NaN;
  const high = sorted[Math.ceil(at)] ?? NaN;
  return low + (high - low) * (at - Math.floor(at));
};

const ascending = (samples: Iterable<number>): number[] => [...samples].sort((a, b) => a - b);

export const median = (samples: Iterable<number>): number => quantile(ascending(samples), 0.5);

/** The value at quantile `q` (0 to 1), interpolated between samples. */
export const percentile = (samples: Iterable<number>, q: number): number => quantile(ascending(samples), q);

export const summarize = (samples: Iterable<number>): Summary => {
  const sorted = ascending(samples);
  return {
    median: quantile(sorted, 0.5),
    p10: quantile(sorted, 0.1),
    p90: quantile(sorted, 0.9),
    best: sorted[0] ?? NaN,
    count: sorted.length,
  };
};

/** "221 (203-232)": the median, and the 10th and 90th percentile. */
export const spread = ({ median: middle, p10, p90 }: Summary, digits: number): string =>
  `${middle.toFixed(digits)} (${p10.toFixed(digits)}-${p90.toFixed(digits)})`;
