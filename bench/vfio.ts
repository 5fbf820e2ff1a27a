/**
 * Ferrule's driver through VFIO in a guest, compared with Linux's driver on the same card: pings and a download. The
 * cards are QEMU's rtl8139, and two of Ferrule's models, on which Linux uses r8169.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Nic } from "../test/guest/nic.ts";
import { scratchFolder } from "../test/guest/scratch.ts";
import { noVfio } from "../test/vfio/available.ts";
import { card, Machine, type Pace, userNetwork } from "../test/vfio/machine.ts";
import { CannotMeasure, type Bench, type BenchOptions, type Report, type Row } from "./bench.ts";
import { spread, summarize } from "./statistics.ts";

const DEFAULT_ROUNDS = 5;
const INTERFACE = "fe0";
const PREPARED = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun 8139cp r8169 vfio-pci af_packet";

interface Card {
  readonly name: string;
  /** PCI slot, two hexadecimal digits. */
  readonly slot: string;
  /** Linux's driver. */
  readonly driver: string;
  /** Key of the model's chip; undefined for QEMU's own card. */
  readonly chip?: string;
}

const CARDS: readonly Card[] = [
  { name: "QEMU rtl8139", slot: "05", driver: "8139cp" },
  { name: "model RTL8168H", slot: "06", driver: "r8169", chip: "rtl8168h" },
  { name: "model RTL8125B", slot: "07", driver: "r8169", chip: "rtl8125b" },
];
const addressOf = ({ slot }: Card): string => `0000:00:${slot}.0`;

/** One round: both drivers on one card, measured some seconds apart. */
interface Round {
  readonly theirs: Pace;
  readonly ours: Pace;
}

/** Returns QEMU's arguments for a card with a network of its own. If the card is a model, starts the model. */
const device = async (
  { slot, chip }: Card,
  hub: number,
  folder: string,
  scope: AsyncDisposableStack,
): Promise<readonly string[]> => {
  if (chip === undefined) return card("card", `bus=pcie.0,addr=${slot}`);
  const wire = join(folder, `${chip}.wire`);
  const nic = scope.use(await Nic.serve(undefined, { chip, socket: join(folder, chip), wire: `unix:${wire},listen` }));
  return [...userNetwork(hub, wire), ...nic.device({ id: chip, bus: "pcie.0", addr: slot })];
};

const underLinux = async (machine: Machine, one: Card): Promise<Pace> => {
  const address = addressOf(one);
  if ((await machine.driverOf(address)) !== one.driver) await machine.mustRun(`unbind ${address}`);
  const name = await machine.interfaceOf(address);
  try {
    return await machine.pace(name);
  } finally {
    await machine.guest.run(`ip link set ${name} down`);
  }
};

const underFerrule = async (machine: Machine, one: Card): Promise<Pace> => {
  const address = addressOf(one);
  if ((await machine.driverOf(address)) !== "vfio-pci") await machine.mustRun(`bind ${address}`);
  await machine.up(address, INTERFACE);
  try {
    return await machine.pace(INTERFACE);
  } finally {
    await machine.mustRun(`down ${INTERFACE}`);
  }
};

const measure = async (machine: Machine, one: Card, theirsFirst: boolean): Promise<Round> => {
  if (!theirsFirst) {
    const ours = await underFerrule(machine, one);
    return { theirs: await underLinux(machine, one), ours };
  }
  const theirs = await underLinux(machine, one);
  return { theirs, ours: await underFerrule(machine, one) };
};

/** The compared figures. A ratio above 1 means that Ferrule is slower. */
const FIGURES = {
  "ping ms": { of: ({ pingMillis }) => pingMillis, ratio: (theirs, ours) => ours / theirs, digits: 2 },
  "download Mbit/s": { of: ({ megabits }) => megabits, ratio: (theirs, ours) => theirs / ours, digits: 0 },
} as const satisfies Readonly<
  Record<string, { of(pace: Pace): number; ratio(theirs: number, ours: number): number; digits: number }>
>;

const rowOf = ({ name, driver }: Card, figure: keyof typeof FIGURES, rounds: readonly Round[]): Row => {
  const { of, ratio, digits } = FIGURES[figure];
  return {
    card: name,
    figure,
    Linux: spread(summarize(rounds.map(({ theirs }) => of(theirs))), digits),
    "its driver": driver,
    Ferrule: spread(summarize(rounds.map(({ ours }) => of(ours))), digits),
    "times slower": spread(summarize(rounds.map(({ theirs, ours }) => ratio(of(theirs), of(ours)))), 2),
  };
};

const run = async (options: BenchOptions): Promise<Report> => {
  const why = noVfio();
  if (why !== false) throw new CannotMeasure(`no guest with VFIO here: ${why}`, "See test/vfio/available.ts.");
  await using scope = new AsyncDisposableStack();
  const folder = scratchFolder();
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const devices = await Promise.all(CARDS.map((one, hub) => device(one, hub, folder, scope)));
  const machine = scope.use(await Machine.boot({ devices: devices.flat(), prepared: PREPARED }));
  const count = options.rounds ?? DEFAULT_ROUNDS;
  const measured = CARDS.map((one) => ({ card: one, rounds: [] as Round[] }));
  for (let i = 1; i <= count; i++)
    for (const { card: one, rounds } of measured) {
      options.stop.throwIfAborted();
      options.say(`vfio: round ${i} of ${count}, ${one.name}`);
      rounds.push(await measure(machine, one, i % 2 === 1));
    }
  const figures = Object.keys(FIGURES) as (keyof typeof FIGURES)[];
  const rows = measured.flatMap(({ card: one, rounds }) => figures.map((figure) => rowOf(one, figure, rounds)));
  return { rows, data: { cards: measured.map(({ card: { name }, rounds }) => ({ name, rounds })) } };
};

export const vfio: Bench = {
  name: "vfio",
  about: "cards in a guest, QEMU's rtl8139 and Ferrule's models: Ferrule through VFIO against Linux's drivers",
  run,
};
