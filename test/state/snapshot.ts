/** Snapshots of a model's state, without values that differ from run to run. */
import type { Chip } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { type ModelState, type Space, SPACES } from "#model/observation/state.ts";
import { Rtl8169 } from "#model/rtl8169.ts";

/** Moments at which the state is recorded, in this order. */
export const MOMENTS = ["probed", "up", "mtu", "back", "suspended", "resumed", "closed", "removed"] as const;
export type Moment = (typeof MOMENTS)[number];

/** The station address of every NIC in a recording. */
export const MAC = "02:00:00:00:00:01";

/** Values by space and address, such as "macOcp 0xd400". An address that is missing has the value 0. */
export type Snapshot = ReadonlyMap<string, number>;

export const keyOf = (space: Space, address: string): string => `${space} ${address}`;
export const spaceOf = (key: string): Space => key.slice(0, key.indexOf(" ")) as Space;

/**
 * Values that depend on the run and not on the driver: memory addresses, the last access through each window, clocks,
 * interrupt status, and what the system has set up in configuration space before the driver starts.
 */
const DEPENDS_ON_RUN: Readonly<Partial<Record<Space, readonly [name: string, addresses: RegExp][]>>> = {
  registers: [
    ["addresses of rings and counters", /^(TNPDS|THPDS|RDSAR|DTCCR)/],
    ["windows to other spaces", /^(PHYAR|PHYOCP|ERIAR|ERIDR|EPHYAR|CSIAR|CSIDR|MACOCP|OCPAR|OCPDR|EFUSEAR|SDS_\w+)$/],
    ["clocks", /^(TimerCount|TCTR\d)$/],
    ["events", /^(IntrStatus|ISR\w+)$/],
  ],
  phy: [["addresses in the PHY's memory", /^0x(a436|b87c|505)$/]],
  config: [
    ["base addresses", /^0x(1[0-9a-f]|2[0-7]|30|32)$/],
    ["interrupt line", /^0x3c$/],
  ],
};

export const dependsOnRun = (space: Space, address: string): boolean =>
  DEPENDS_ON_RUN[space]?.some(([, addresses]) => addresses.test(address)) ?? false;

/** All values other than 0. */
const flat = (state: ModelState): Map<string, number> =>
  new Map(
    SPACES.flatMap((space) =>
      Object.entries(state[space]).flatMap(([address, value]) =>
        dependsOnRun(space, address) ? [] : [[keyOf(space, address), value] as const],
      ),
    ),
  );

/** The state of a chip after power-on. */
export const powerOn = (chip: Chip): Snapshot => {
  const clock = new VirtualClock();
  return flat(new Rtl8169({ chip, mac: MAC, clock, timers: clock.timers }).state);
};

/** The values that differ between `before` and `after`, as they are in `after`. */
export const changes = (before: Snapshot, after: Snapshot): Snapshot => {
  const changed = new Map<string, number>();
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const value = after.get(key) ?? 0;
    if (value !== (before.get(key) ?? 0)) changed.set(key, value);
  }
  return changed;
};

export const snapshot = (model: Rtl8169): Snapshot => flat(model.state);
