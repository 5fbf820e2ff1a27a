/** Follows a driver's accesses to the buses behind the window: which register it reads or writes there, and what. */
import { EXTENSION_PAGE, EXTENSION_SELECT, MEMORY_ADDRESS, MEMORY_DATA, MEMORY_PAGE, PAGE } from "#chip/phy.ts";
import { CSIAR, CSIDR, EFUSEAR, EPHYAR, ERIAR, ERIDR, FLAG, PHYAR } from "#chip/registers.ts";

/** PHYAR; EPHYAR; ERIAR; CSIAR; EFUSEAR; the registers of the window themselves. */
export type Space = "phy" | "ephy" | "eri" | "csi" | "fuse" | "io8" | "io16" | "io32";

export interface Place {
  readonly space: Space;
  readonly address: number;
  /** Of the PHY; 0 elsewhere. */
  readonly page: number;
  /** What was last chosen in the register that chooses on that page: an extension, or a parameter. */
  readonly chosen: number;
}

export interface Access {
  readonly kind: "read" | "write";
  readonly place: Place;
  readonly value: number;
  /** Of an extended register or configuration space: the bits that a write changes. */
  readonly mask: number;
}

interface Bus {
  readonly space: Space;
  readonly addressOf: (command: number) => number;
  /** Where the data is, unless it is in the command word. */
  readonly data?: number;
  readonly mask: number;
}

const BUSES: ReadonlyMap<number, Bus> = new Map<number, Bus>([
  [PHYAR, { space: "phy", addressOf: (word) => (word >>> 16) & 0x1f, mask: 0xffff }],
  [EPHYAR, { space: "ephy", addressOf: (word) => (word >>> 16) & 0x7f, mask: 0xffff }],
  [EFUSEAR, { space: "fuse", addressOf: (word) => (word >>> 8) & 0x3ff, mask: 0xff }],
  [ERIAR, { space: "eri", addressOf: (word) => word & 0xfff, data: ERIDR, mask: 0xffff_ffff }],
  [CSIAR, { space: "csi", addressOf: (word) => word & 0xfff, data: CSIDR, mask: 0xffff_ffff }],
]);
const DATA: ReadonlyMap<number, number> = new Map(
  [...BUSES].flatMap(([at, { data }]) => (data === undefined ? [] : [[data, at]])),
);

/** Byte enables 15:12 of a command as a mask. */
const lanesOf = (command: number): number => {
  let mask = 0;
  for (let lane = 0; lane < 4; lane++) if ((command >>> (12 + lane)) & 1) mask |= 0xff << (8 * lane);
  return mask >>> 0;
};

/** What a read of the window shows of a register behind it. */
export interface Shown {
  readonly place: Place;
  /** The bits of the word that was read which are the register's. */
  readonly mask: number;
  /** Not the first read that shows it: drivers poll for the flag and then read again. */
  readonly again: boolean;
}

export class SideBuses {
  #page = 0;
  readonly #chosen = new Map<number, number>();
  /** By command register: the read that is under way or done. */
  readonly #reads = new Map<number, { readonly place: Place; shown: boolean; done: boolean }>();
  readonly #data = new Map<number, number>();

  /** Whether a register of the window leads to others. */
  static has(offset: number): boolean {
    return BUSES.has(offset) || DATA.has(offset);
  }

  /** A word is written to the window. The access that this completes, if it does. */
  write(offset: number, value: number): Access | undefined {
    const bus = BUSES.get(offset);
    if (bus === undefined) {
      if (DATA.has(offset)) this.#data.set(offset, value);
      return undefined;
    }
    this.#reads.delete(offset);
    const place = this.#place(bus, value);
    if (value >>> 0 < FLAG) {
      this.#reads.set(offset, { place, shown: false, done: false });
      return undefined;
    }
    const written = bus.data === undefined ? value & bus.mask : (this.#data.get(bus.data) ?? 0);
    if (place.space === "phy") this.#choose(place, written);
    return { kind: "write", place, value: written >>> 0, mask: bus.data === undefined ? bus.mask : lanesOf(value) };
  }

  /** A word was read from the window. What it shows, if anything. */
  read(offset: number, value: number): Shown | undefined {
    const read = this.#reads.get(DATA.get(offset) ?? offset);
    if (read === undefined) return undefined;
    const bus = BUSES.get(DATA.get(offset) ?? offset)!;
    if (!DATA.has(offset)) read.done ||= value >>> 0 >= FLAG;
    if (!read.done || (bus.data ?? offset) !== offset) return undefined;
    const again = read.shown;
    read.shown = true;
    return { place: read.place, mask: bus.mask, again };
  }

  #place({ space, addressOf }: Bus, command: number): Place {
    const page = space === "phy" ? this.#page : 0;
    return { space, address: addressOf(command), page, chosen: space === "phy" ? (this.#chosen.get(page) ?? 0) : 0 };
  }

  #choose(place: Place, value: number): void {
    if (place.address === PAGE) this.#page = value;
    else if (isChoice(place)) this.#chosen.set(place.page, value);
  }
}

/** RTL8168D to 8168F: whether the register says which of many the others on its page are. */
export const isChoice = ({ space, page, address }: Place): boolean =>
  space === "phy" &&
  ((page === MEMORY_PAGE && address === MEMORY_ADDRESS) || (page === EXTENSION_PAGE && address === EXTENSION_SELECT));

/** Whether what is behind a register depends on what was chosen. */
export const isChosen = ({ space, page, address }: Place): boolean =>
  space === "phy" &&
  ((page === MEMORY_PAGE && address === MEMORY_DATA) || (page === EXTENSION_PAGE && address !== EXTENSION_SELECT));

export const samePlace = (a: Place, b: Place): boolean =>
  a.space === b.space && a.address === b.address && a.page === b.page && (!isChosen(a) || a.chosen === b.chosen);

const IO_SPACES = { 1: "io8", 2: "io16", 4: "io32" } as const;
/** @param width bytes */
export const inWindow = (address: number, width: number): Place => ({
  space: IO_SPACES[width as keyof typeof IO_SPACES],
  address,
  page: 0,
  chosen: 0,
});
