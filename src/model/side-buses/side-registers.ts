/** Indirect registers: PHY, MAC-OCP, extended registers, PCIe PHY, configuration space, fuses, EEPROM, management. */
import type { Chip } from "#chip/chips.ts";
import { Cfg9346, CSIAR, CSIDR, EFUSEAR, EPHYAR, ERIAR, OCPAR, OCPDR, PHYAR, PHYOCP } from "#chip/registers.ts";
import type { ConfigSpace } from "../pci/config-space.ts";
import type { ModelState } from "../observation/state.ts";
import { Pins } from "#chip/eeprom.ts";
import { Eeprom, Efuse, imageOf } from "./eeprom.ts";
import type { Effects } from "../registers/effects.ts";
import { byteMask, ExtendedRegisters } from "./extended-registers.ts";
import { type Access, Handshake, type HandshakeParts } from "../registers/handshake.ts";
import { MacOcp } from "./mac-ocp.ts";
import { isManaged, Mailbox, Management } from "./management.ts";
import type { Page } from "../registers/page.ts";
import { PciePhy } from "./pcie-phy.ts";
import type { PhyFront } from "../phy/phy-front.ts";

/** The side buses with a handshake. */
export type SideBusName = "phy" | "csi" | "eri" | "ephy" | "efuse" | "management";

export interface SideParts extends HandshakeParts {
  readonly chip: Chip;
  readonly config: ConfigSpace;
  /** Copy of the factory's station address; undefined if it is blank. */
  readonly mac: Uint8Array | undefined;
  readonly phy: PhyFront;
  /** Duration of an access with a handshake in microseconds. */
  readonly accessMicros: number;
  /** Whether management firmware runs, on chips that have a management controller. */
  readonly managed: boolean;
  /** Whether the board has an SFP cage. */
  readonly fibre: boolean;
  /** Called when an extended register was written. */
  readonly extendedWritten: (address: number) => void;
}

/** 8168DP: extended register with the driver's message to the management firmware. */
const DRIVER_MESSAGE = 0xe8;
const CONTROLLER_FUNCTION = 1;
const MAILBOX = 0xf8;

/** PCI configuration space through CSI. Functions that do not exist read all ones. */
const configAccess =
  (page: Page, config: ConfigSpace, mailbox: Mailbox | undefined): Access =>
  (command, write) => {
    const offset = command & 0xffc;
    const function_ = (command >>> 16) & 7;
    const other = function_ === CONTROLLER_FUNCTION && offset === MAILBOX ? mailbox : undefined;
    if (!write) {
      page.put(CSIDR, 4, other?.read() ?? (function_ === 0 ? config.read(offset, 4) : -1));
      return command;
    }
    const value = page.get(CSIDR, 4);
    other?.write(value, byteMask(command >>> 12));
    if (function_ === 0)
      for (let lane = 0; lane < 4; lane++)
        if ((command >>> (12 + lane)) & 1) config.write(offset + lane, 1, (value >>> (8 * lane)) & 0xff);
    return command;
  };

/** 8168DP: the management controller's registers through OCPAR and OCPDR. */
const managementAccess =
  (page: Page, management: Management): Access =>
  (command, write) => {
    if (write) management.write(command & 0xffc, page.get(OCPDR, 4), byteMask(command >>> 12));
    else page.put(OCPDR, 4, management.read(command & 0xffc));
    return command;
  };

type SideEffect =
  | "csi"
  | "eri"
  | "ephy"
  | "macOcp"
  | "phyOcp"
  | "mdio"
  | "efuse"
  | "managementOcp"
  | "mailboxControl"
  | "mailboxStatus"
  | "eeprom";

/**
 * All side buses. If a chip does not have a side bus, its register map has no row for the bus, so the bus's effect is
 * never called.
 */
export class SideRegisters {
  readonly effects: Pick<Effects, SideEffect>;
  /** The EEPROM; chips from the 8168D on have fuses instead. */
  readonly eeprom: Eeprom | undefined;
  readonly #macOcp: MacOcp;
  readonly #extended: ExtendedRegisters;
  readonly #pciePhy: PciePhy;
  readonly #management: Management | undefined;
  readonly #phy: PhyFront;
  readonly #handshakes: Readonly<Record<SideBusName, readonly Handshake[]>>;

  constructor(parts: SideParts) {
    const { page, chip, config, mac, phy, accessMicros, managed, schedule } = parts;
    this.#phy = phy;
    this.#macOcp = new MacOcp(page, chip, parts.fibre);
    this.#management = isManaged(chip)
      ? new Management(chip, managed, schedule, () => this.#extended.exgmac(DRIVER_MESSAGE))
      : undefined;
    const outOfBand = chip.profile.management?.outOfBand ? this.#management : undefined;
    this.#extended = new ExtendedRegisters(page, chip, mac, outOfBand, parts.extendedWritten);
    this.#pciePhy = new PciePhy(chip, this.#macOcp);
    if (chip.profile.memory === "eeprom") this.eeprom = new Eeprom(imageOf(chip, config.read(2, 2), mac));
    const mailbox = new Mailbox(page);
    const outOfBandMailbox = outOfBand === undefined ? undefined : mailbox;
    const bus = (register: number, access: Access): Handshake => new Handshake(register, accessMicros, parts, access);
    const csi = bus(CSIAR, configAccess(page, config, outOfBandMailbox));
    const eri = bus(ERIAR, this.#extended.access);
    const ephy = bus(EPHYAR, this.#pciePhy.access);
    const efuse = bus(EFUSEAR, new Efuse().access);
    const phyOcp = bus(PHYOCP, phy.ocp);
    const mdio = bus(PHYAR, phy.mdio);
    const management = bus(OCPAR, this.#management ? managementAccess(page, this.#management) : (command) => command);
    this.#handshakes = {
      phy: [phyOcp, mdio],
      csi: [csi],
      eri: [eri],
      ephy: [ephy],
      efuse: [efuse],
      management: [management],
    };
    this.effects = {
      csi: (value, lanes) => csi.command(value, lanes),
      eri: (value, lanes) => eri.command(value, lanes),
      ephy: (value, lanes) => ephy.command(value, lanes),
      efuse: (value, lanes) => efuse.command(value, lanes),
      phyOcp: (value, lanes) => phyOcp.command(value, lanes),
      mdio: (value, lanes) => mdio.command(value, lanes),
      macOcp: (value, lanes) => this.#macOcp.command(value, lanes),
      managementOcp: (value, lanes) => management.command(value, lanes),
      mailboxControl: (value, lanes) => mailbox.control(value, lanes),
      mailboxStatus: (value, lanes) => mailbox.acknowledge(value & lanes),
      eeprom: (value) => {
        if (this.eeprom === undefined) return;
        const rest = page.get(Cfg9346, 1) & ~Pins.output;
        page.put(Cfg9346, 1, rest | this.eeprom.setPins(value));
      },
    };
  }

  /** Value of a MAC-OCP register, at an even address below 0x10000. */
  macOcp(address: number): number {
    return this.#macOcp.read(address);
  }

  /** Sets a MAC-OCP register, on behalf of the chip itself. */
  putMacOcp(address: number, value: number): void {
    this.#macOcp.write(address, value);
  }

  /** Value of an extended register, at a multiple of 4 below 0x1000. */
  exgmac(address: number): number {
    return this.#extended.exgmac(address);
  }

  /**
   * Vital product data in configuration space: the contents of the EEPROM from its first word on, although they are not
   * valid VPD; zeros without an EEPROM. Real cards do the same: `lspci -vv` shows resource type 05 (the start of the
   * EEPROM's signature) or 00.
   */
  productData(address: number): number {
    return this.eeprom?.doubleWord(address >> 1) ?? 0;
  }

  get state(): Omit<ModelState, "registers" | "config" | "clause45" | "serdes"> {
    return {
      ...this.#macOcp.state,
      eri: this.#extended.state,
      ephy: this.#pciePhy.state,
      ...this.#phy.state,
      management: this.#management?.state ?? {},
    };
  }

  /** Sets the duration of accesses to a side bus in microseconds; with `Infinity` they never complete. */
  setLatency(name: SideBusName, micros: number): void {
    for (const handshake of this.#handshakes[name]) handshake.latencyMicros = micros;
  }

  powerOn(): void {
    this.busReset();
    this.#phy.powerOn();
  }

  /** Resets everything except the PHY, which has auxiliary power. */
  busReset(): void {
    for (const handshakes of Object.values(this.#handshakes)) for (const handshake of handshakes) handshake.reset();
    this.#macOcp.powerOn();
    this.#extended.powerOn();
    this.#pciePhy.powerOn();
    this.#management?.powerOn();
    this.eeprom?.powerOn();
  }
}
