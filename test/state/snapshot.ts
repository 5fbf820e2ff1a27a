/** What a driver has changed in a model since power-on, without what differs from run to run. */
import type { Chip } from "#chip/chips.ts";
import { VirtualClock } from "#kit/clock.ts";
import { type ModelState, type Space, SPACES } from "#model/observation/state.ts";
import { Rtl8169 } from "#model/rtl8169.ts";

/** When a driver is looked at, in this order. */
export const MOMENTS = ["probed", "up", "mtu", "back", "closed", "removed"] as const;
export type Moment = (typeof MOMENTS)[number];

/** The station address of every NIC here. */
export const MAC = "02:00:00:00:00:01";

/** Values by space and address, "macOcp 0xd400". Addresses that are missing hold what they hold after power-on. */
export type Snapshot = ReadonlyMap<string, number>;

export const keyOf = (space: Space, address: string): string => `${space} ${address}`;
export const spaceOf = (key: string): Space => key.slice(0, key.indexOf(" ")) as Space;

/**
 * What depends on the run and not on the driver: where memory happened to be, what was last asked of a window to another
 * space, clocks, events, and what the system set up in configuration space before there was a driver.
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

/** All that is not 0. */
const flat = (state: ModelState): Map<string, number> =>
  new Map(
    SPACES.flatMap((space) =>
      Object.entries(state[space]).flatMap(([address, value]) =>
        dependsOnRun(space, address) ? [] : [[keyOf(space, address), value] as const],
      ),
    ),
  );

/** A chip that nobody has driven yet. */
export const powerOn = (chip: Chip): Snapshot => {
  const clock = new VirtualClock();
  return flat(new Rtl8169({ chip, mac: MAC, clock, timers: clock.timers }).state);
};

/** The values that differ, as they are in `after`. */
export const changes = (before: Snapshot, after: Snapshot): Snapshot => {
  const changed = new Map<string, number>();
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const value = after.get(key) ?? 0;
    if (value !== (before.get(key) ?? 0)) changed.set(key, value);
  }
  return changed;
};

export const snapshot = (model: Rtl8169): Snapshot => flat(model.state);
