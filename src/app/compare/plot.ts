/** Plots as SVG: axes, lines with markers and quartiles, and rows of ratios. They need no script and no network. */
import { type Child, h, type Markup } from "./markup.ts";
import type { Scale } from "./scale.ts";

/** Width in units of the plot; on a page the plot is as wide as its column. */
export const WIDTH = 640;
export const HEIGHT = 380;
export const MARGIN = { left: 92, right: 24, top: 12, bottom: 58 } as const;

/** The positions at which the x axis begins and ends. For the y axis, `upTo` returns these positions. */
export const ACROSS = [MARGIN.left, WIDTH - MARGIN.right] as const;
export const upTo = (height: number) => [height - MARGIN.bottom, MARGIN.top] as const;

export interface Axis {
  readonly title: string;
  readonly scale: Scale;
  readonly label: (value: number) => string;
}

/** A value, with quartiles if it has some. `text` is shown while the pointer is over the marker. */
export interface Point {
  readonly x: number;
  readonly y: number;
  readonly low?: number;
  readonly high?: number;
  readonly text: string;
}

export interface Series {
  readonly name: string;
  /** Number of the series, which selects colour and marker. */
  readonly index: number;
  readonly points: readonly Point[];
  /** The points that the line connects; default: those of `points`. */
  readonly line?: readonly (readonly [x: number, y: number])[];
}

export const MAX_SERIES = 9;
const round = (value: number): number => Math.round(value * 10) / 10;

/**
 * Outlines of the markers, with their centre at 0, 0. The shapes differ because not everyone can distinguish the
 * colours.
 */
const MARKERS = [
  "M-4 0A4 4 0 1 0 4 0A4 4 0 1 0 -4 0Z",
  "M-4 -4H4V4H-4Z",
  "M0 -5L5 4H-5Z",
  "M0 -5.5L5.5 0L0 5.5L-5.5 0Z",
  "M0 5L5 -4H-5Z",
  "M-5 -2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z",
  "M-5 -2.5H5V2.5H-5Z",
  "M-2.5 -5H2.5V5H-2.5Z",
  "M-5 -3L0 -5.5L5 -3V3L0 5.5L-5 3Z",
] as const;

const marker = (index: number): string => MARKERS[index % MAX_SERIES]!;
const colour = (index: number): string => `s${index % MAX_SERIES}`;

/** Marker and name of each series. */
export const legend = (series: readonly Pick<Series, "name" | "index">[]): Markup =>
  h(
    "ul",
    { class: "legend" },
    series.map(({ name, index }) =>
      h(
        "li",
        {},
        h(
          "svg",
          { class: colour(index), width: 26, height: 14, viewBox: "-13 -7 26 14", "aria-hidden": "true" },
          h("path", { class: "line", d: "M-13 0H13" }),
          h("path", { class: "mark", d: marker(index) }),
        ),
        name,
      ),
    ),
  );

const horizontal = ({ title, scale, label }: Axis, height: number): Child => [
  scale.ticks.map((tick) => {
    const x = round(scale.at(tick));
    return [
      h("path", { class: "grid", d: `M${x} ${MARGIN.top}V${height - MARGIN.bottom}` }),
      h("text", { class: "tick x", x, y: height - MARGIN.bottom + 20, "text-anchor": "middle" }, label(tick)),
    ];
  }),
  h("text", { x: (ACROSS[0] + ACROSS[1]) / 2, y: height - 10, "text-anchor": "middle" }, title),
];

const vertical = ({ title, scale, label }: Axis): Child => {
  const middle = (MARGIN.top + HEIGHT - MARGIN.bottom) / 2;
  return [
    scale.ticks.map((tick) => {
      const y = round(scale.at(tick));
      return [
        h("path", { class: "grid", d: `M${MARGIN.left} ${y}H${WIDTH - MARGIN.right}` }),
        h("text", { class: "tick y", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end" }, label(tick)),
      ];
    }),
    h("text", { transform: `translate(16 ${middle}) rotate(-90)`, "text-anchor": "middle" }, title),
  ];
};

const mark = (index: number, x: number, y: number, text: string): Markup =>
  h("path", { class: "mark", d: marker(index), transform: `translate(${round(x)} ${round(y)})` }, h("title", {}, text));

const seriesMarkup = ({ name, index, points, line }: Series, x: Scale, y: Scale): Markup => {
  const path = (line ?? points.map((point) => [point.x, point.y] as const))
    .map(([a, b]) => `${round(x.at(a))} ${round(y.at(b))}`)
    .join("L");
  return h(
    "g",
    { class: `series ${colour(index)}`, "data-name": name },
    path === "" ? "" : h("path", { class: "line", d: `M${path}` }),
    points.map(({ x: at, low, high }) =>
      low === undefined || high === undefined
        ? ""
        : h("path", { class: "spread", d: `M${round(x.at(at))} ${round(y.at(low))}V${round(y.at(high))}` }),
    ),
    points.map((point) => mark(index, x.at(point.x), y.at(point.y), `${name}: ${point.text}`)),
  );
};

export interface About {
  readonly id: string;
  readonly title: string;
  /** A description for readers who cannot see the plot; the figures are in the table below it. */
  readonly description: string;
}

const drawing = ({ id, title, description }: About, height: number, ...children: readonly Child[]): Markup =>
  h(
    "svg",
    {
      class: "plot",
      viewBox: `0 0 ${WIDTH} ${height}`,
      role: "img",
      "aria-labelledby": `${id}-title ${id}-description`,
    },
    h("title", { id: `${id}-title` }, title),
    h("desc", { id: `${id}-description` }, description),
    ...children,
  );

/** A plot with a line for each series. */
export const linePlot = (about: About, x: Axis, y: Axis, series: readonly Series[]): Markup =>
  drawing(
    about,
    HEIGHT,
    horizontal(x, HEIGHT),
    vertical(y),
    series.map((each) => seriesMarkup(each, x.scale, y.scale)),
  );

/** One row of the plot: a kind of ratio, with a marker for each series that has this ratio. */
export interface Group {
  readonly name: string;
  readonly entries: readonly { readonly name: string; readonly index: number; readonly point: Omit<Point, "y"> }[];
}

const LANE = 9;
const GAP = 16;

/** A plot with a row for each group of ratios, on a common axis with a line at 1. */
export const ratioPlot = (about: About, x: Axis, groups: readonly Group[]): Markup => {
  let top: number = MARGIN.top;
  const rows = groups.map(({ name, entries }) => {
    const from = top;
    top += entries.length * LANE + GAP;
    return { name, entries, from, middle: from + (entries.length * LANE + GAP) / 2 };
  });
  const height = top + MARGIN.bottom;
  return drawing(
    about,
    height,
    horizontal(x, height),
    h("path", { class: "one", d: `M${round(x.scale.at(1))} ${MARGIN.top}V${top}` }),
    rows.map(({ name, entries, from, middle }) => [
      h("path", { class: "grid", d: `M${MARGIN.left} ${from}H${WIDTH - MARGIN.right}` }),
      h("text", { x: 4, y: middle + 4 }, name),
      entries.map(({ name: series, index, point }, i) => {
        const y = from + GAP / 2 + (i + 0.5) * LANE;
        return h(
          "g",
          { class: `series ${colour(index)}`, "data-name": series },
          h("path", {
            class: "spread",
            d: `M${round(x.scale.at(point.low ?? point.x))} ${y}H${round(x.scale.at(point.high ?? point.x))}`,
          }),
          mark(index, x.scale.at(point.x), y, `${series}, ${name}: ${point.text}`),
        );
      }),
    ]),
  );
};
