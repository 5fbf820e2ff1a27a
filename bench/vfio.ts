/** Ferrule's driver on QEMU's rtl8139 through VFIO in a guest, compared with Linux's driver on the same device: pings and a download. */
import { noVfio } from "../test/vfio/available.ts";
import { card, Machine, type Pace } from "../test/vfio/machine.ts";
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { spread, summarize } from "./statistics.ts";

const DEFAULT_ROUNDS = 5;
const CARD = "0000:00:05.0";
const INTERFACE = "fe0";

/** One round: the results of both drivers on the same device, measured some seconds apart. */
interface Round {
  readonly theirs: Pace;
  readonly ours: Pace;
}

const underLinux = async (machine: Machine): Promise<Pace> => {
  if ((await machine.driverOf(CARD)) !== "8139cp") await machine.mustRun(`unbind ${CARD}`);
  return machine.pace(await machine.interfaceOf(CARD));
};

const underFerrule = async (machine: Machine): Promise<Pace> => {
  if ((await machine.driverOf(CARD)) !== "vfio-pci") await machine.mustRun(`bind ${CARD}`);
  await machine.up(CARD, INTERFACE);
  try {
    return await machine.pace(INTERFACE);
  } finally {
    await machine.mustRun(`down ${INTERFACE}`);
  }
};

const measure = async (machine: Machine, theirsFirst: boolean): Promise<Round> => {
  if (!theirsFirst) {
    const ours = await underFerrule(machine);
    return { theirs: await underLinux(machine), ours };
  }
  const theirs = await underLinux(machine);
  return { theirs, ours: await underFerrule(machine) };
};

/** The compared figures. A ratio above 1 means that Ferrule is slower. */
const FIGURES = {
  "ping ms": { of: ({ pingMillis }) => pingMillis, ratio: (theirs, ours) => ours / theirs, digits: 2 },
  "download Mbit/s": { of: ({ megabits }) => megabits, ratio: (theirs, ours) => theirs / ours, digits: 0 },
} as const satisfies Readonly<
  Record<string, { of(pace: Pace): number; ratio(theirs: number, ours: number): number; digits: number }>
>;

const rowOf = (figure: keyof typeof FIGURES, rounds: readonly Round[]): Row => {
  const { of, ratio, digits } = FIGURES[figure];
  return {
    figure,
    "8139cp": spread(summarize(rounds.map(({ theirs }) => of(theirs))), digits),
    Ferrule: spread(summarize(rounds.map(({ ours }) => of(ours))), digits),
    "times slower": spread(summarize(rounds.map(({ theirs, ours }) => ratio(of(theirs), of(ours)))), 2),
  };
};

const run = async (options: BenchOptions): Promise<Report> => {
  const why = noVfio();
  if (why !== false) throw new CannotMeasure(`no guest with VFIO here: ${why}`, "See test/vfio/available.ts.");
  await using machine = await Machine.boot({ devices: card("card", "bus=pcie.0,addr=5") });
  const count = options.rounds ?? DEFAULT_ROUNDS;
  const rounds: Round[] = [];
  for (let i = 1; i <= count; i++) {
    options.stop.throwIfAborted();
    options.say(`vfio: round ${i} of ${count}`);
    rounds.push(await measure(machine, i % 2 === 1));
  }
  const rows = (Object.keys(FIGURES) as (keyof typeof FIGURES)[]).map((figure) => rowOf(figure, rounds));
  return { rows, data: { rounds } };
};

export const vfio: Bench = {
  name: "vfio",
  about: "QEMU's rtl8139 in a guest: Ferrule's driver through VFIO against Linux's 8139cp",
  run,
};
