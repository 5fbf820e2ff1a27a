/** A comparison as one HTML page. The page contains its style and plots, has no script, and loads nothing. */
import { axisValue, measuredPeers, missingPeers, nameOf, nanos, ratio, withQuartiles } from "./figures.ts";
import { count } from "../terminal/format.ts";
import { type Child, h, Markup } from "./markup.ts";
import { command, machineFacts, machineLine, METHOD, caveats } from "./method.ts";
import { plotFor } from "./plots.ts";
import type { Comparison } from "./result.ts";
import { STYLE } from "./style.ts";
import { isFigure, type Table, tablesOf } from "./tables.ts";

/** The tables of a section, by their ids. */
const SECTIONS = [
  ["summary", "In short", ["summary"]],
  ["throughput", "Throughput", ["size", "size-ratio", "rate", "batch-ratio", "load", "queues", "delivery"]],
  ["latency", "Latency", ["latency", "latency-ratio"]],
  ["cost", "Cost of a frame", ["batch", "batch-against", "processor"]],
  ["drivers", "What the drivers are", ["drivers", "features", "lines", "faults"]],
] as const;

const cell = (text: string, i: number): Markup =>
  i === 0 ? h("th", { scope: "row" }, text) : h("td", isFigure(text) ? {} : { class: "word" }, text);

const tableMarkup = ({ id, title, headings, rows }: Table): Markup =>
  h(
    "div",
    { class: "scroll", role: "group", tabindex: 0 },
    h(
      "table",
      { id: `table-${id}`, "aria-label": title },
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          headings.map((heading, i) =>
            h("th", { scope: "col", class: rows.every((row) => isFigure(row[i]!)) ? undefined : "word" }, heading),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) => h("tr", {}, row.map(cell))),
      ),
    ),
  );

/** One table with its plot. @param section heading of the section; a table with the same heading does not repeat it */
const part = (found: Comparison, table: Table, section: string): Child => [
  table.title === section ? "" : h("h3", { id: table.id }, table.title),
  h("p", { class: "note" }, table.note),
  plotFor(found, table.id) ?? "",
  tableMarkup(table),
];

/** A table of all rows of throughput, with the figures that the other tables omit. */
const everyRow = (found: Comparison): Table => ({
  id: "rows",
  title: "All throughput figures",
  note: "",
  headings: [
    "driver",
    "load",
    "line",
    "frame",
    "batch",
    "queues",
    "rounds",
    "ns",
    "processor ns",
    "ratio",
    "missed",
    "lost",
  ],
  rows: found.throughput.map((row) => [
    nameOf(found, row.peer),
    row.load,
    axisValue("rate", row.rate),
    axisValue("bytes", row.bytes),
    ...[row.batch, row.queues, row.rounds].map(String),
    withQuartiles(row.ns, nanos),
    withQuartiles(row.cpuNs, nanos),
    ratio(row.ratio, 3),
    count(row.missed),
    count(row.lost),
  ]),
});

const list = (title: string, id: string, entries: readonly Child[]): Child =>
  entries.length === 0
    ? ""
    : [
        h("h2", { id }, title),
        h(
          "ul",
          {},
          entries.map((entry) => h("li", {}, entry)),
        ),
      ];

const method = (found: Comparison): Child => [
  h("h2", { id: "part-method" }, "How it was measured"),
  METHOD.map((text) => h("p", {}, text)),
  h("h3", {}, "The drivers in this run"),
  h(
    "dl",
    {},
    measuredPeers(found).map(({ name, about }) => [h("dt", {}, name), h("dd", {}, about)]),
  ),
  h("h3", {}, "The machine"),
  h(
    "dl",
    {},
    machineFacts(found).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  ),
  h("h3", {}, "The command"),
  h("pre", {}, command(found)),
  found.throughput.length === 0
    ? ""
    : h("details", {}, h("summary", {}, "All throughput figures"), tableMarkup(everyRow(found))),
];

const TITLE = "C, Rust and TypeScript on one network device";

export const comparisonPage = (found: Comparison): string => {
  const tables = tablesOf(found);
  const sections = SECTIONS.map(([id, title, names]) => {
    const shown = tables.filter((table) => names.some((name) => name === table.id));
    return { id, title, shown };
  }).filter(({ shown }) => shown.length > 0);
  const missing = missingPeers(found).map(({ name, why, install }) => [`${name}: ${why}. `, h("code", {}, install)]);
  const links = [
    ...sections,
    ...(missing.length > 0 ? [{ id: "missing", title: "Not measured" }] : []),
    ...(found.notCovered.length > 0 ? [{ id: "uncovered", title: "Not covered" }] : []),
    { id: "method", title: "How it was measured" },
  ];
  const page = h(
    "html",
    { lang: "en" },
    h(
      "head",
      {},
      h("meta", { charset: "utf-8" }),
      h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
      h("meta", {
        "http-equiv": "Content-Security-Policy",
        content: "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
      }),
      h("title", {}, TITLE),
      h("style", {}, new Markup(STYLE)),
    ),
    h(
      "body",
      {},
      h(
        "main",
        {},
        h("h1", {}, TITLE),
        h("p", { class: "soft" }, machineLine(found)),
        caveats(found).map((text) => h("p", { class: "warn", role: "note" }, text)),
        h(
          "nav",
          { "aria-label": "Parts of this page" },
          h(
            "ul",
            {},
            links.map(({ id, title }) => h("li", {}, h("a", { href: `#part-${id}` }, title))),
          ),
        ),
        sections.map(({ id, title, shown }) =>
          h(
            "section",
            { "aria-labelledby": `part-${id}` },
            h("h2", { id: `part-${id}` }, title),
            shown.map((table) => part(found, table, title)),
          ),
        ),
        list("Not measured", "part-missing", missing),
        list("Not covered", "part-uncovered", found.notCovered),
        method(found),
      ),
    ),
  );
  return `<!doctype html>\n${page.text}\n`;
};
