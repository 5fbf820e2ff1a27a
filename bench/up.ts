/** The time from the start of `ferrule up` to the carrier, compared with the time that the link needs. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { openDirectRig } from "../test/rigs/direct.ts";
import { packFerrule } from "../test/rigs/packed.ts";
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { run as runProgram } from "./child.ts";
import { spread, summarize } from "./statistics.ts";

const DEFAULT_ROUNDS = 10;
const LIMIT_MS = 30_000;
const CHIP = "rtl8168h";
const PROGRAM = join("bin", "ferrule.mjs");

/** Times of one process in milliseconds from its start. */
interface Start {
  readonly up: number;
  readonly carrier: number;
  /** Processor time of all threads of the process until the carrier was up. */
  readonly processor: number;
}

/** The time that driver and model need until the link is up, in milliseconds of a virtual clock. */
const linkNeeds = (): number => {
  using rig = openDirectRig();
  rig.nic.up();
  while (!rig.nic.refreshLink().up) rig.clock.delay(100);
  return rig.clock.now() / 1000;
};

/** The processor time of a process in milliseconds. */
const processorTime = (pid: number): number => {
  const tasks = `/proc/${pid}/task`;
  const nanos = readdirSync(tasks).map((task) =>
    Number(readFileSync(join(tasks, task, "schedstat"), "utf8").split(" ")[0]),
  );
  return nanos.reduce((a, b) => a + b, 0) / 1e6;
};

/** Each run has its own network namespace, so that the interface's name is free. */
const apart = process.getuid?.() === 0 ? ["--net"] : ["--user", "--map-root-user", "--net"];

const startOnce = async (program: string, stop: AbortSignal): Promise<Start> => {
  const words = [...apart, process.execPath, program, "up", `model:${CHIP}`, "--name", "fe0", "--json"];
  const begun = performance.now();
  const child = spawn("unshare", words, { stdio: ["ignore", "pipe", "ignore"], signal: stop, timeout: LIMIT_MS });
  const ended = once(child, "exit");
  let up = NaN;
  for await (const line of createInterface(child.stdout)) {
    const now = performance.now() - begun;
    const event = JSON.parse(line) as { readonly event: string; readonly up?: boolean };
    if (event.event === "up") up = now;
    if (event.event !== "carrier" || event.up !== true) continue;
    const processor = processorTime(child.pid!);
    child.kill("SIGINT");
    await ended;
    return { up, carrier: now, processor };
  }
  throw new Error(`${program} up ended without a carrier`);
};

/** Ferrule as installed by npm. */
const installed = (scratch: string): string => {
  execFileSync("tar", ["-xzf", packFerrule(scratch), "-C", scratch]);
  return join(scratch, "package", PROGRAM);
};

const milliseconds = (values: readonly number[]): string => spread(summarize(values), 0);

const rowOf = (form: string, starts: readonly Start[], link: number): Row => ({
  form,
  "up ms": milliseconds(starts.map(({ up }) => up)),
  "carrier ms": milliseconds(starts.map(({ carrier }) => carrier)),
  "link needs ms": link.toFixed(1),
  "ours ms": milliseconds(starts.map(({ carrier }) => carrier - link)),
  "processor ms": milliseconds(starts.map(({ processor }) => processor)),
});

const run = async (options: BenchOptions): Promise<Report> => {
  const { stop, say } = options;
  try {
    await runProgram(["unshare", ...apart, "true"], { limitMs: LIMIT_MS, stop });
  } catch {
    throw new CannotMeasure("no network namespaces here", "Run it as root.");
  }
  const programs = {
    packed: installed(options.scratch),
    checkout: join(import.meta.dirname, "..", PROGRAM),
  };
  const link = linkNeeds();
  const count = options.rounds ?? DEFAULT_ROUNDS;
  const starts = { packed: [] as Start[], checkout: [] as Start[] };
  const node: number[] = [];
  // The first run of each program fills the page cache and the compile cache, and is not counted.
  for (let i = 0; i <= count; i++) {
    say(`up: ${i === 0 ? "warming up" : `round ${i} of ${count}`}`);
    const begun = performance.now();
    await runProgram([process.execPath, "-e", "0"], { limitMs: LIMIT_MS, stop });
    if (i > 0) node.push(performance.now() - begun);
    for (const form of ["packed", "checkout"] as const) {
      const start = await startOnce(programs[form], stop);
      if (i > 0) starts[form].push(start);
    }
  }
  const rows = [
    rowOf("packed", starts.packed, link),
    rowOf("checkout", starts.checkout, link),
    { form: "Node, an empty program", "up ms": milliseconds(node) },
  ];
  return { rows, data: { linkNeedsMillis: link, starts, emptyProgramMillis: node } };
};

export const up: Bench = {
  name: "up",
  about: "from the start of `ferrule up` to the carrier, compared with the time that the link needs",
  run,
};
