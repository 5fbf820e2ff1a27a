/** Our NIC in a guest against QEMU's own: TCP both ways, and requests over UDP. */
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { compile, PORTABLE } from "./c-program.ts";
import { GuestMachine, type Model, type Path } from "./guest-machine.ts";
import { median, percentile, summarize, type Summary } from "./statistics.ts";

const DEFAULT_ROUNDS = 3;
const REQUESTS = 1000;
const DIRECTIONS = ["sends", "receives"] as const;
type Direction = (typeof DIRECTIONS)[number];

const OURS = "Ferrule RTL8168H";
const MODELS: readonly Model[] = [
  { name: OURS, driver: "r8169", device: undefined },
  { name: "QEMU rtl8139", driver: "8139cp", device: "rtl8139" },
  { name: "QEMU e1000e", driver: "e1000e", device: "e1000e" },
];

/** One NIC in one round. */
interface Sample {
  readonly nic: string;
  readonly megabitsPerSecond: Readonly<Record<Direction, number>>;
  readonly retransmits: number;
  /** Microseconds. */
  readonly request: { readonly p50: number; readonly p99: number; readonly lost: number };
}

/** What is measured, of one sample. */
const FIGURES: Readonly<Record<string, (sample: Sample) => number>> = {
  "guest sends": ({ megabitsPerSecond }) => megabitsPerSecond.sends,
  "guest receives": ({ megabitsPerSecond }) => megabitsPerSecond.receives,
  "UDP request": ({ request }) => request.p50,
};

interface Result {
  readonly figure: string;
  readonly nic: string;
  /** Mbit/s, or microseconds. */
  readonly value: Summary;
  /** Ours, divided by this one's of the same round. */
  readonly ratio: Summary;
}

const sampleOf = async (machine: GuestMachine, path: Path, seconds: number): Promise<Sample> => {
  const out = await machine.transfer(path, "sends", seconds);
  const back = await machine.transfer(path, "receives", seconds);
  const times = await machine.ask(path, REQUESTS);
  return {
    nic: path.model.name,
    megabitsPerSecond: { sends: out.megabitsPerSecond, receives: back.megabitsPerSecond },
    retransmits: out.retransmits + back.retransmits,
    request: { p50: median(times), p99: percentile(times, 0.99), lost: REQUESTS - times.length },
  };
};

const resultsOf = (rounds: readonly (readonly Sample[])[]): Result[] =>
  Object.entries(FIGURES).flatMap(([figure, of]) => {
    const values = (name: string): number[] => rounds.map((round) => of(round.find((sample) => sample.nic === name)!));
    return MODELS.map(({ name: nic }) => {
      const theirs = values(nic);
      const ratios = values(OURS).map((ours, i) => ours / theirs[i]!);
      return { figure, nic, value: summarize(theirs), ratio: summarize(ratios) };
    });
  });

const digits = (n: number): string => n.toFixed(0);

const rowOf = ({ figure, nic, value, ratio }: Result): Row => {
  return {
    figure,
    NIC: nic,
    "Mbit/s or µs": digits(value.median),
    "p10-p90": `${digits(value.p10)}-${digits(value.p90)}`,
    "ours / its": nic === OURS ? "" : ratio.median.toFixed(2),
    "p10-p90 ": nic === OURS ? "" : `${ratio.p10.toFixed(2)}-${ratio.p90.toFixed(2)}`,
  };
};

const run = async (options: BenchOptions): Promise<Report> => {
  if (process.getuid?.() !== 0)
    throw new CannotMeasure("not root: QEMU's own NICs cannot have TAPs", "Run it with sudo.");
  const echo = await compile(options.scratch, "echo", PORTABLE);
  const count = options.rounds ?? DEFAULT_ROUNDS;
  await using machine = await GuestMachine.open(MODELS, echo);
  const rounds: Sample[][] = [];
  for (let i = 1; i <= count; i++) {
    const samples: Sample[] = [];
    for (const path of i % 2 === 1 ? machine.paths : machine.paths.toReversed()) {
      options.stop.throwIfAborted();
      options.say(`guest: round ${i} of ${count}: ${path.model.name}`);
      samples.push(await sampleOf(machine, path, options.seconds));
    }
    rounds.push(samples);
  }
  const results = resultsOf(rounds);
  const { counters, traffic, offences } = await machine.state();
  return { rows: results.map(rowOf), data: { results, rounds, ours: { counters, traffic, offences } } };
};

export const guest: Bench = {
  name: "guest",
  about: "a Linux guest in QEMU: our NIC over vfio-user against QEMU's own rtl8139 and e1000e",
  run,
};
