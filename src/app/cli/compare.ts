/** `ferrule compare`: drivers in C, Rust and TypeScript on one device, measured on this machine. */
import { FerruleError } from "#kit/errors.ts";
import { measure } from "../compare/measure.ts";
import { comparisonPage } from "../compare/page.ts";
import { readComparison } from "../compare/read-comparison.ts";
import { comparisonJson, type Comparison } from "../compare/result.ts";
import { comparisonLines } from "../compare/text.ts";
import { Progress } from "../demo/progress.ts";
import { command, Exit, JSON_OPTION, printLines } from "./command.ts";
import { OutputFile } from "./output-file.ts";
import { stopAtSignals } from "./stop.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { WrongUsage } from "../terminal/usage.ts";

/** A signal arrived before the comparison had ended. */
class Interrupted extends FerruleError {
  readonly code = "INTERRUPTED";
  readonly hint = "The processes of the comparison were ended, and its files were removed.";
  constructor() {
    super("the comparison was interrupted");
  }
}

const measured = async (quick: boolean, { err }: Terminal): Promise<Comparison> => {
  const progress = new Progress(err);
  using stop = stopAtSignals();
  try {
    return await measure({
      quick,
      say: (line) => (err.isTerminal ? progress.update(line) : progress.say(line)),
      stop: stop.signal,
    });
  } catch (error) {
    throw stop.signal.aborted ? new Interrupted() : error;
  } finally {
    progress.clear();
  }
};

export const compare = command({
  name: "compare",
  summary: "measure drivers in C, Rust and TypeScript on one device",
  about: [
    "C, safe Rust, DPDK's PMD and Ferrule drive the same device in turns. The device is a program that uses shared memory.",
    "Reports throughput, latency, processor time per frame, size and unchecked code of each, as ratios with quartiles.",
    "",
    "Takes a few minutes, and needs two cores that have nothing else to do. Needs gcc. If a driver cannot be measured, the output names",
    "the command that installs what is missing. docs/performance.md explains the figures.",
  ].join("\n"),
  operands: [],
  options: {
    quick: { kind: "flag", summary: "about a minute: fewer rounds, sizes and batches" },
    html: { kind: "value", placeholder: "FILE", summary: "also write a page with plots, which needs no network" },
    from: { kind: "value", placeholder: "FILE", summary: "show a result that --json printed earlier; measure nothing" },
    json: JSON_OPTION,
  },
  examples: [
    "npx ferrule compare --quick",
    "npx ferrule compare --json > compare.json",
    "npx ferrule compare --from compare.json --html compare.html",
  ],
  async run({ values, terminal }) {
    if (values.quick && values.from !== undefined)
      throw new WrongUsage("--quick shortens a measurement, but --from measures nothing", "Omit one of them.");
    using page = values.html === undefined ? undefined : new OutputFile(values.html);
    const found = values.from === undefined ? await measured(values.quick, terminal) : readComparison(values.from);
    page?.write(comparisonPage(found));
    if (values.json) printLines(terminal, comparisonJson(found));
    else printLines(terminal, comparisonLines(found, terminal.out));
    if (values.html !== undefined) terminal.err.line(`${values.html}: open it in a browser`);
    return Exit.done;
  },
});
