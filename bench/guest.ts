/** Ferrule's NIC in a guest compared with QEMU's: TCP in both directions, and requests over UDP. */
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { compile, PORTABLE } from "./c-program.ts";
import { GuestMachine, type Model, type Path } from "./guest-machine.ts";
import { median, summarize, type Summary } from "./statistics.ts";

const DEFAULT_ROUNDS = 5;
const REQUESTS = 1000;

const OURS = "Ferrule RTL8168H";
const MODELS: readonly Model[] = [
  { name: OURS, driver: "r8169", device: undefined },
  { name: "QEMU rtl8139", driver: "8139cp", device: "rtl8139" },
  { name: "QEMU e1000e", driver: "e1000e", device: "e1000e" },
];

/** The measured figures: Mbit/s, or the median time of a request in microseconds. */
const FIGURES = {
  "guest sends": (machine, path, options) => machine.transfer(path, "sends", options),
  "guest receives": (machine, path, options) => machine.transfer(path, "receives", options),
  "UDP request": async (machine, path) => median(await machine.ask(path, REQUESTS)),
  "UDP, no deferral": async (machine, path) => median(await machine.askPlainly(path, REQUESTS)),
} as const satisfies Readonly<
  Record<string, (machine: GuestMachine, path: Path, options: BenchOptions) => Promise<number>>
>;
type Figure = keyof typeof FIGURES;

/** One round of one figure: the values of all NICs, measured within seconds of each other. */
type Round = ReadonlyMap<string, number>;

interface Result {
  readonly figure: Figure;
  readonly nic: string;
  /** The figure's value in Mbit/s or in microseconds. */
  readonly value: Summary;
  /** Ferrule's value divided by that of the NIC with which it is compared, in the same round. */
  readonly ratio: Summary;
}

const resultsOf = (figure: Figure, rounds: readonly Round[]): Result[] =>
  MODELS.map(({ name: nic }) => ({
    figure,
    nic,
    value: summarize(rounds.map((round) => round.get(nic)!)),
    ratio: summarize(rounds.map((round) => round.get(OURS)! / round.get(nic)!)),
  }));

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

const measure = async (machine: GuestMachine, options: BenchOptions): Promise<Map<Figure, Round[]>> => {
  const count = options.rounds ?? DEFAULT_ROUNDS;
  const rounds = new Map<Figure, Round[]>();
  for (let i = 1; i <= count; i++)
    for (const figure of Object.keys(FIGURES) as Figure[]) {
      options.say(`guest: round ${i} of ${count}: ${figure}`);
      const round = new Map<string, number>();
      for (const path of i % 2 === 1 ? machine.paths : machine.paths.toReversed()) {
        options.stop.throwIfAborted();
        round.set(path.model.name, await FIGURES[figure](machine, path, options));
      }
      rounds.set(figure, [...(rounds.get(figure) ?? []), round]);
    }
  return rounds;
};

const run = async (options: BenchOptions): Promise<Report> => {
  if (process.getuid?.() !== 0)
    throw new CannotMeasure("not root: QEMU's own NICs cannot use TAPs", "Run it with sudo.");
  const echo = await compile(options.scratch, "echo", PORTABLE);
  await using machine = await GuestMachine.open(MODELS, echo, options.stop);
  const rounds = await measure(machine, options);
  const results = [...rounds].flatMap(([figure, of]) => resultsOf(figure, of));
  const { counters, traffic, offences } = await machine.state();
  const data = {
    results,
    rounds: [...rounds].map(([figure, of]) => ({ figure, rounds: of.map((round) => Object.fromEntries(round)) })),
  };
  return { rows: results.map(rowOf), data: { ...data, ours: { counters, traffic, offences } } };
};

export const guest: Bench = {
  name: "guest",
  about: "a Linux guest in QEMU: Ferrule's NIC over vfio-user against QEMU's rtl8139 and e1000e",
  run,
};
