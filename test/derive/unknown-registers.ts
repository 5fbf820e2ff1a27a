/**
 * A device whose registers of unknown content return chosen values, which shows the bits that a driver changes: if a
 * register read as zeros, the driver has set the bits that are 1 in the word that it writes; if it read as ones, the
 * driver has cleared the bits that are 0.
 */
import { ESTATUS, GBSR, MEMORY_PAGE, MMD_CONTROL, MMD_DATA, PAGE } from "#chip/phy.ts";
import type { Chip } from "#chip/chips.ts";
import { Config1, Config2, Config3, Config4, Config5, DBG_REG, DLLPR, MCU, MISC, PMCH } from "#chip/registers.ts";
import type { Target } from "#kit/target.ts";
import { Altered } from "../rigs/altered.ts";
import { inWindow, isChoice, isOfMac, type Place, SideBuses } from "./side-buses.ts";

/** Values of registers of unknown content: all zeros, all ones, or a word that depends on the address. */
export const FILLS = ["zeros", "ones", "distinct"] as const;
export type Fill = (typeof FILLS)[number];

/** Lines of JSON traces (docs/trace.md), by the value of unknown registers. */
export type Traces = Readonly<Record<Fill, readonly string[]>>;

/**
 * Registers of the window that drivers read only to change some bits. Once a byte of them is written, it reads as
 * written.
 */
const HELD: ReadonlySet<number> = new Set<number>([
  Config1,
  Config3,
  Config4,
  Config5,
  PMCH,
  DLLPR,
  DBG_REG,
  MCU,
  MISC,
  ...[1, 2, 3].map((byte) => MISC + byte),
]);
/** Extended registers with copies of the station address. */
const ADDRESS_COPIES: readonly number[] = [0xe0, 0xe4];
/** First of the chip's registers in configuration space, after those that PCI Express defines. */
const OF_CHIP = 0x700;
/** Address at which the PHY's controller reports that it is ready for firmware. */
const READY_AT = 0x1b;
/** Value of the eFuse's bytes in an RTL8168D with factory calibration; in most chips the eFuse is blank. */
const BURNT = 0xb1;
/** Bit of the PCI chips' Config2: the bus runs at 66 MHz. */
const PCI_66MHZ = 1 << 0;

/** Registers of OCP PHYs that drivers poll: PHY state, link state, and whether the controller is halted for a patch. */
const POLLED_OF_PHY: readonly (readonly [page: number, address: number])[] = [
  [0xa42, 16],
  [0xa43, 18],
  [0xb80, 16],
];
const isPolledOfPhy = ({ page, address }: Place): boolean =>
  POLLED_OF_PHY.some(([p, a]) => p === page && a === address);
/** MAC-OCP registers that identify the chip and its package, and the one that shows whether the link list is ready. */
const OF_THE_CHIP: readonly number[] = [0xd006, 0xdc00, 0xe00e];

/**
 * Whether drivers read this PHY register only to change bits. The exceptions are the clause 22 registers, the
 * selectors, and the registers that drivers poll.
 */
const isUnknownOfPhy = (place: Place, chip: Chip): boolean => {
  const { page, address, chosen } = place;
  if (chip.profile.phyAccess === "ocp") return page !== 0 && !isChoice(place) && !isPolledOfPhy(place);
  if (address === PAGE || isChoice(place)) return false;
  if (page === MEMORY_PAGE && chosen === READY_AT) return false;
  if (page !== 0) return true;
  if (address === MMD_CONTROL || address === MMD_DATA) return !chip.profile.phy.indirect;
  return address > GBSR && address !== ESTATUS;
};

const isUnknown = (place: Place, chip: Chip): boolean => {
  const { space, address } = place;
  if (space === "phy") return isUnknownOfPhy(place, chip);
  if (space === "csi") return address >= OF_CHIP;
  if (space === "eri") return isOfMac(address) && !ADDRESS_COPIES.includes(address);
  return space === "ephy" || (space === "mac" && !OF_THE_CHIP.includes(address));
};

/** A word that depends on the register's address alone. */
const distinct = ({ space, page, address, chosen }: Place): number => {
  let hash = 0x811c_9dc5;
  for (const part of [space.codePointAt(0)!, page, address, chosen]) hash = Math.imul(hash ^ part, 0x0100_0193);
  return (hash ^ (hash >>> 13)) >>> 0;
};

const WORDS: Readonly<Record<Fill, (place: Place) => number>> = {
  zeros: () => 0,
  ones: () => 0xffff_ffff,
  distinct,
};

export class UnknownRegisters {
  /** Whether unknown registers return chosen values. If false, they return the device's values. */
  filled = false;
  /** The device with these registers. */
  readonly target: Target;
  readonly #chip: Chip;
  readonly #fill: Fill;
  readonly #buses: SideBuses;
  readonly #written = new Set<number>();

  constructor(device: Target, chip: Chip, fill: Fill) {
    this.#chip = chip;
    this.#buses = new SideBuses(chip.profile.phyAccess);
    this.#fill = fill;
    const { registersBar } = chip.profile.function;
    this.target = new Altered(device, {
      read: (region, offset, width, value) => (region === registersBar ? this.#answer(offset, width, value) : value),
      write: (region, offset, width, value) => {
        if (region !== registersBar) return true;
        if (width === 4) this.#buses.write(offset, value);
        for (let byte = 0; this.filled && byte < width; byte++) this.#written.add(offset + byte);
        return true;
      },
    });
  }

  #answer(offset: number, width: number, value: number): number {
    const shown = width === 4 ? this.#buses.read(offset, value) : undefined;
    if (!this.filled) return value;
    const put = (word: number, mask: number): number => ((value & ~mask) | (word & mask)) >>> 0;
    const word = WORDS[this.#fill];
    if (shown !== undefined) {
      if (shown.place.space === "fuse") return this.#fill === "distinct" ? put(BURNT, shown.mask) : value;
      return isUnknown(shown.place, this.#chip) ? put(word(shown.place), shown.mask) : value;
    }
    if (this.#isHeld(offset, width)) return this.#held(offset, width, value);
    return offset === Config2 && this.#fill === "distinct" ? value ^ PCI_66MHZ : value;
  }

  /**
   * Whether a register is in `HELD`. On chips with an OCP PHY, MCU does not count as one, because drivers poll MCU for
   * the state of the MAC's controller.
   */
  #isHeld(offset: number, width: number): boolean {
    if (offset === MCU && this.#chip.profile.phyAccess === "ocp") return false;
    return HELD.has(offset) && (width === 1 || offset === MISC);
  }

  /**
   * The value of a register. A byte that has been written has the device's value, any other byte has the chosen value.
   */
  #held(offset: number, width: number, value: number): number {
    let answer = value;
    for (let byte = 0; byte < width; byte++) {
      if (this.#written.has(offset + byte)) continue;
      const word = WORDS[this.#fill](inWindow(offset + byte, 1));
      answer = (answer & ~(0xff << (8 * byte))) | ((word & 0xff) << (8 * byte));
    }
    return answer >>> 0;
  }
}
