/** The comparison of drivers as a bench: `npm run bench -- compare`. bench/compare/main.ts has more options. */
import type { Bench } from "./bench.ts";
import { compare as measure } from "./compare/compare.ts";
import { readOptions } from "./compare/options.ts";
import { rowsOf } from "./compare/tables.ts";

export const compare: Bench = {
  name: "compare",
  about: "drivers in C, Rust and TypeScript in turns on one device: throughput, latency, cost per frame",
  run: async ({ scratch, rounds, against, say, stop }) => {
    const args = [
      ...(rounds === undefined ? [] : ["--rounds", String(rounds)]),
      ...(against === undefined ? [] : ["--against", against]),
    ];
    const data = await measure(readOptions(args).plan, { scratch, say, stop });
    return { rows: rowsOf(data), data };
  },
};
