/** The scales of axes, which convert a value to a position on a plot. */

export interface Scale {
  /** Position of a value, in units of the plot. */
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
  readonly from: number;
  readonly to: number;
}

type Range = readonly [from: number, to: number];

/** The least and the greatest value; [1, 1] if there are no values. */
export const extent = (values: readonly number[]): Range =>
  values.length === 0 ? [1, 1] : [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];

const scaled = (
  transform: (value: number) => number,
  [from, to]: Range,
  place: Range,
  ticks: readonly number[],
): Scale => {
  const [low, high] = [transform(from), transform(to)];
  const unit = high === low ? 0 : (place[1] - place[0]) / (high - low);
  return { at: (value) => place[0] + (transform(value) - low) * unit, ticks, from, to };
};

const STEPS = [1, 2, 5] as const;
/** Maximum number of labels that fit next to each other. */
const MAX_TICKS = 9;

/** Ticks at 1, 2 and 5 of each decade; in a wide range only at powers of ten. */
export const logTicks = ([from, to]: Range): readonly number[] => {
  const first = Math.floor(Math.log10(from) + 1e-9);
  const decades = Array.from({ length: Math.ceil(Math.log10(to) - first) + 1 }, (_, i) => first + i);
  const inside = (ticks: readonly number[]): readonly number[] =>
    ticks.filter((tick) => tick >= from * (1 - 1e-9) && tick <= to * (1 + 1e-9));
  // Computed from text, because 10 ** -3 * 2 is not exactly 0.002.
  const fine = inside(decades.flatMap((decade) => STEPS.map((step) => Number(`${step}e${decade}`))));
  return fine.length <= MAX_TICKS ? fine : inside(decades.map((decade) => Number(`1e${decade}`)));
};

/** A logarithmic axis. `ticks` defaults to the ticks that `logTicks` selects for the range. */
export const logScale = (range: Range, place: Range, ticks = logTicks(range)): Scale =>
  scaled(Math.log10, range, place, ticks);

/** A linear axis from 0, with three to seven ticks. */
export const linearScale = (max: number, place: Range): Scale => {
  const decade = 10 ** Math.floor(Math.log10(max));
  const step = [0.2, 0.5, 1, 2].map((each) => each * decade).find((each) => max / each <= 6) ?? decade;
  const count = Math.ceil(max / step - 1e-9);
  const ticks = Array.from({ length: count + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return scaled((value) => value, [0, ticks.at(-1)!], place, ticks);
};
