/** Decodes a driver's accesses to the side buses: which register it reads or writes there, and the value. */
import { EXTENSION_PAGE, EXTENSION_SELECT, OCP_STANDARD, PAGE } from "#chip/phy.ts";
import { CSIAR, CSIDR, EFUSEAR, EPHYAR, ERIAR, ERIDR, FLAG, MACOCP, PHYAR, PHYOCP } from "#chip/registers.ts";
import { PARAMETER_8125, PARAMETER_8168D, PARAMETER_8168G, type PhyWindow } from "#chip/steps.ts";

/**
 * What an access reaches. The first six are reached through PHYAR or PHYOCP, MACOCP, EPHYAR, ERIAR, CSIAR and EFUSEAR,
 * in this order. The others are registers of the window, by width in bits.
 */
export type Space = "phy" | "mac" | "ephy" | "eri" | "csi" | "fuse" | "io8" | "io16" | "io32";

export interface Place {
  readonly space: Space;
  readonly address: number;
  /** The PHY's page; 0 for other buses. */
  readonly page: number;
  /** The extension or parameter selected last by the page's selector register. */
  readonly chosen: number;
}

export interface Access {
  readonly kind: "read" | "write";
  readonly place: Place;
  readonly value: number;
  /** For extended registers and configuration space: the bits that a write changes. */
  readonly mask: number;
}

interface Bus {
  readonly space: Space;
  readonly addressOf: (command: number) => number;
  /** The data register, unless the data is in the command word. */
  readonly data?: number;
  readonly mask: number;
}

/** The address and type in a command word, as one number. All types but the first reach the management controller. */
const extended = (word: number): number => (word & 0xfff) | ((word & (3 << 16)) >>> 4);
/** Whether an extended register belongs to the MAC. */
export const isOfMac = (address: number): boolean => address < 0x1000;
const ocp = (word: number): number => (word >>> 15) & 0xfffe;

type Buses = ReadonlyMap<number, Bus>;
const COMMON: Buses = new Map<number, Bus>([
  [PHYAR, { space: "phy", addressOf: (word) => (word >>> 16) & 0x1f, mask: 0xffff }],
  [EPHYAR, { space: "ephy", addressOf: (word) => (word >>> 16) & 0x7f, mask: 0xffff }],
  [EFUSEAR, { space: "fuse", addressOf: (word) => (word >>> 8) & 0x3ff, mask: 0xff }],
  [ERIAR, { space: "eri", addressOf: extended, data: ERIDR, mask: 0xffff_ffff }],
  [CSIAR, { space: "csi", addressOf: (word) => word & 0xfff, data: CSIDR, mask: 0xffff_ffff }],
]);
/** Buses of the RTL8168G and later. */
const OCP: Buses = new Map<number, Bus>([
  ...COMMON,
  [PHYOCP, { space: "phy", addressOf: ocp, mask: 0xffff }],
  [MACOCP, { space: "mac", addressOf: ocp, mask: 0xffff }],
]);
const DATA: ReadonlyMap<number, number> = new Map<number, number>([
  [ERIDR, ERIAR],
  [CSIDR, CSIAR],
]);

/** Byte enables 15:12 of a command as a mask. */
const lanesOf = (command: number): number => {
  let mask = 0;
  for (let lane = 0; lane < 4; lane++) if ((command >>> (12 + lane)) & 1) mask |= 0xff << (8 * lane);
  return mask >>> 0;
};

/** The register of a side bus whose value a read of the window returns. */
export interface Shown {
  readonly place: Place;
  /** The register's bits in the word that was read. */
  readonly mask: number;
  /** Whether this value has been read before: drivers poll for the flag, and then read once more. */
  readonly again: boolean;
}

export class SideBuses {
  readonly #buses: Buses;
  #page = 0;
  readonly #chosen = new Map<number, number>();
  /** The pending or completed read, by command register. */
  readonly #reads = new Map<number, { readonly place: Place; shown: boolean; done: boolean }>();
  readonly #data = new Map<number, number>();

  /** @param phyAccess how the driver reaches the chip's PHY */
  constructor(phyAccess: string) {
    this.#buses = phyAccess === "ocp" ? OCP : COMMON;
  }

  /** Whether a register of the window gives access to a side bus. */
  has(offset: number): boolean {
    return this.#buses.has(offset) || DATA.has(offset);
  }

  /**
   * To be called when a word is written to the window. Returns the access to a side bus that the write completes, if
   * any.
   */
  write(offset: number, value: number): Access | undefined {
    const bus = this.#buses.get(offset);
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

  /**
   * To be called when a word was read from the window. Returns the register of a side bus that this word is the value
   * of, if any.
   */
  read(offset: number, value: number): Shown | undefined {
    const read = this.#reads.get(DATA.get(offset) ?? offset);
    if (read === undefined) return undefined;
    const bus = this.#buses.get(DATA.get(offset) ?? offset)!;
    // MAC-OCP accesses complete at once.
    if (!DATA.has(offset)) read.done ||= value >>> 0 >= FLAG || bus.space === "mac";
    if (!read.done || (bus.data ?? offset) !== offset) return undefined;
    const again = read.shown;
    read.shown = true;
    return { place: read.place, mask: bus.mask, again };
  }

  #place({ space, addressOf }: Bus, command: number): Place {
    const at = addressOf(command);
    if (space !== "phy") return { space, address: at, page: 0, chosen: 0 };
    const [page, address] = this.#buses === OCP ? onPage(at) : [this.#page, at];
    return { space, address, page, chosen: this.#chosen.get(page) ?? 0 };
  }

  #choose(place: Place, value: number): void {
    if (this.#buses !== OCP && place.address === PAGE) this.#page = value;
    else if (isChoice(place)) this.#chosen.set(place.page, value);
  }
}

/**
 * The page and register number of an OCP address, as drivers count them: 0 to 15 on page 0, 16 to 23 on other pages.
 */
const onPage = (at: number): readonly [page: number, address: number] =>
  at >= OCP_STANDARD && at < OCP_STANDARD + 32 ? [0, (at - OCP_STANDARD) >> 1] : [at >> 4, 16 + ((at & 0xf) >> 1)];

const WINDOWS: readonly PhyWindow[] = [PARAMETER_8168D, PARAMETER_8168G, PARAMETER_8125];
/** The parameter window that a register belongs to. */
export const windowOf = ({ space, page, address }: Place): PhyWindow | undefined =>
  space === "phy" ? WINDOWS.find((window) => window.page === page && window.data === address) : undefined;
export const isExtension = ({ space, page, address }: Place): boolean =>
  space === "phy" && page === EXTENSION_PAGE && address !== EXTENSION_SELECT;

/** Whether the register selects what the other registers on its page access. */
export const isChoice = ({ space, page, address }: Place): boolean =>
  space === "phy" &&
  ((page === EXTENSION_PAGE && address === EXTENSION_SELECT) ||
    WINDOWS.some((window) => window.page === page && window.address === address));

/** Whether what a register accesses depends on the selection. */
export const isChosen = (place: Place): boolean => isExtension(place) || windowOf(place) !== undefined;

export const samePlace = (a: Place, b: Place): boolean =>
  a.space === b.space && a.address === b.address && a.page === b.page && (!isChosen(a) || a.chosen === b.chosen);

const IO_SPACES = { 1: "io8", 2: "io16", 4: "io32" } as const;
/** @param width in bytes */
export const inWindow = (address: number, width: number): Place => ({
  space: IO_SPACES[width as keyof typeof IO_SPACES],
  address,
  page: 0,
  chosen: 0,
});
