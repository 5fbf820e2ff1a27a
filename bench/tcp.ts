/**
 * TCP and ping through two TAPs: Ferrule's driver and model between them, compared with C that only moves frames and C
 * that does a NIC's work.
 */
import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { Cable, type Mover } from "./cable.ts";
import { compile } from "./c-program.ts";
import { run as runProgram } from "./child.ts";
import { median, percentile, summarize, type Summary } from "./statistics.ts";

const DEFAULT_ROUNDS = 3;
const PINGS = 1000;
const DIRECTIONS = ["out", "back"] as const;
type Direction = (typeof DIRECTIONS)[number];
/**
 * Congestion control algorithms: Linux's default, and one with pacing. Pacing leaves pauses between super-frames, so
 * the paths differ less.
 */
const CONTROLS = ["cubic", "bbr"];

/** The program under test, from one checkout. */
const ferrule =
  (checkout: string): Mover["command"] =>
  (near, far) => {
    const program = [process.execPath, join(checkout, "bin", "ferrule.mjs")];
    return [...program, "up", "model:rtl8168h", "--name", near, "--wire", `tap:${far}`];
  };

/** The reference paths: one only moves frames, the other also segments, copies, checksums and merges them, as a NIC and its driver do. */
const REFERENCES = ["C mover", "C NIC"] as const;
type Reference = (typeof REFERENCES)[number];

/** @param against the folder of another checkout, which is measured too */
const movers = (mover: string, nic: string, against: string | undefined): readonly Mover[] => [
  { name: REFERENCES[0], command: (near, far) => [mover, near, far] },
  { name: REFERENCES[1], command: (near, far) => [nic, near, far] },
  { name: "Ferrule", command: ferrule(join(import.meta.dirname, "..")) },
  ...(against === undefined ? [] : [{ name: "Ferrule, other checkout", command: ferrule(against) }]),
  // A mover without offloads, so that the kernel segments and computes checksums. It is measured for context, and is
  // not a reference.
  { name: "C mover, no offload", command: (near, far) => [mover, "--plain", near, far] },
];

/** The measurements of one path in one round. */
interface Sample {
  readonly path: string;
  readonly control: string;
  readonly gigabitsPerSecond: Readonly<Record<Direction, number>>;
  readonly retransmits: number;
  /** Times in microseconds; `lost` is the number of pings without a reply. */
  readonly ping: { readonly p50: number; readonly p99: number; readonly lost: number };
}

interface PathResult {
  readonly path: string;
  readonly control: string;
  readonly gigabitsPerSecond: Readonly<Record<Direction, Summary>>;
  /** Throughput divided by that of each reference in the same round. */
  readonly ratio: Readonly<Record<Reference, Readonly<Record<Direction, Summary>>>>;
  readonly retransmits: number;
  readonly ping: { readonly p50: number; readonly p99: number; readonly lost: number };
  readonly samples: readonly Sample[];
}

const sampleOf = async (mover: Mover, control: string, { seconds, stop }: BenchOptions): Promise<Sample> => {
  await using cable = await Cable.open(mover, stop);
  const out = await cable.transfer("out", seconds, control);
  const back = await cable.transfer("back", seconds, control);
  const times = await cable.ping(PINGS);
  return {
    path: mover.name,
    control,
    gigabitsPerSecond: { out: out.gigabitsPerSecond, back: back.gigabitsPerSecond },
    retransmits: out.retransmits + back.retransmits,
    ping: { p50: median(times), p99: percentile(times, 0.99), lost: PINGS - times.length },
  };
};

const resultOf = (path: string, control: string, rounds: readonly (readonly Sample[])[]): PathResult => {
  const of = (name: string): Sample[] =>
    rounds.map((round) => round.find((sample) => sample.path === name && sample.control === control)!);
  const samples = of(path);
  const speed = (sample: Sample, direction: Direction): number => sample.gigabitsPerSecond[direction];
  const speeds = (direction: Direction): Summary => summarize(samples.map((sample) => speed(sample, direction)));
  const ratios = (reference: Reference, direction: Direction): Summary =>
    summarize(samples.map((sample, i) => speed(sample, direction) / speed(of(reference)[i]!, direction)));
  const against = (reference: Reference): Readonly<Record<Direction, Summary>> => ({
    out: ratios(reference, "out"),
    back: ratios(reference, "back"),
  });
  return {
    path,
    control,
    gigabitsPerSecond: { out: speeds("out"), back: speeds("back") },
    ratio: { "C mover": against("C mover"), "C NIC": against("C NIC") },
    retransmits: samples.reduce((total, sample) => total + sample.retransmits, 0),
    ping: {
      p50: median(samples.map((sample) => sample.ping.p50)),
      p99: median(samples.map((sample) => sample.ping.p99)),
      lost: samples.reduce((total, sample) => total + sample.ping.lost, 0),
    },
    samples,
  };
};

const rowsOf = ({ path, control, gigabitsPerSecond, ratio, retransmits, ping }: PathResult): Row[] =>
  DIRECTIONS.map((direction) => {
    const speed = gigabitsPerSecond[direction];
    const [ofMover, ofNic] = REFERENCES.map((reference) => ratio[reference][direction]);
    return {
      TCP: control,
      path,
      direction,
      "Gbit/s": speed.median.toFixed(2),
      "p10-p90": `${speed.p10.toFixed(2)}-${speed.p90.toFixed(2)}`,
      "of C mover": ofMover!.median.toFixed(2),
      "p10-p90 ": `${ofMover!.p10.toFixed(2)}-${ofMover!.p90.toFixed(2)}`,
      "of C NIC": ofNic!.median.toFixed(2),
      "p10-p90  ": `${ofNic!.p10.toFixed(2)}-${ofNic!.p90.toFixed(2)}`,
      retransmits,
      "ping p50 µs": ping.p50.toFixed(0),
      "p99 µs": ping.p99.toFixed(0),
      lost: ping.lost,
    };
  });

/** @throws {CannotMeasure} if a tool or privilege is missing */
const checkMachine = async (stop: AbortSignal): Promise<void> => {
  if (process.getuid?.() !== 0)
    throw new CannotMeasure("not root: network namespaces cannot be created", "Run it with sudo.");
  for (const tool of ["ip", "iperf3", "ping"])
    try {
      await runProgram(["sh", "-c", `command -v ${tool}`], { limitMs: 5_000, stop });
    } catch {
      throw new CannotMeasure(`${tool} was not found`, "Install iperf3, iproute2 and iputils-ping.");
    }
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    throw new CannotMeasure(
      "/dev/net/tun cannot be opened",
      "Load the tun module, or pass the device to the container.",
    );
  }
};

const run = async (options: BenchOptions): Promise<Report> => {
  await checkMachine(options.stop);
  const paths = movers(await compile(options.scratch, "mover"), await compile(options.scratch, "nic"), options.against);
  const available = readFileSync("/proc/sys/net/ipv4/tcp_available_congestion_control", "utf8").trim().split(" ");
  const controls = CONTROLS.filter((control) => available.includes(control));
  if (controls.length === 0)
    throw new CannotMeasure(
      `the kernel supports none of ${CONTROLS.join(", ")}`,
      "Load one: `sudo modprobe tcp_cubic`.",
    );
  const count = options.rounds ?? DEFAULT_ROUNDS;
  const rounds: Sample[][] = [];
  for (let i = 1; i <= count; i++) {
    const samples: Sample[] = [];
    for (const mover of i % 2 === 1 ? paths : paths.toReversed())
      for (const control of controls) {
        options.say(`tcp: round ${i} of ${count}: ${mover.name}, ${control}`);
        samples.push(await sampleOf(mover, control, options));
      }
    rounds.push(samples);
  }
  const data = controls.flatMap((control) => paths.map(({ name }) => resultOf(name, control, rounds)));
  return { rows: data.flatMap(rowsOf), data };
};

export const tcp: Bench = {
  name: "tcp",
  about: "iperf3 and ping through two TAPs, against C that only moves frames and C that does a NIC's work",
  run,
};
