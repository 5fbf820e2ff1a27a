/** Registers behind registers: MAC controller (OCP), extended MAC (ERI), PCIe PHY (EPHY), configuration space (CSI). */
import { CSIAR, CSIDR, EPHYAR, ERIAR, ERIDR, Eri, FLAG, MACOCP, PHYOCP } from "#chip/registers.ts";
import type { ConfigSpace } from "./config-space.ts";
import { type Access, Handshake, type HandshakeParts } from "./handshake.ts";
import { ocpAddress } from "./ocp-address.ts";
import type { Page } from "./page.ts";
import type { Effects } from "./register-file.ts";

/** MAC controller registers, 16 bits at even addresses. No handshake: the data is there with the next read. */
class MacOcp {
  readonly #page: Page;
  readonly #registers = new Uint16Array(0x8000);

  constructor(page: Page) {
    this.#page = page;
  }

  command(word: number, lanes: number): void {
    if ((lanes | 0) !== -1) return;
    const i = ocpAddress(word) >> 1;
    if ((word & FLAG) !== 0) this.#registers[i] = word;
    this.#page.put(MACOCP, 4, (word & 0x7fff_0000) | this.#registers[i]!);
  }

  powerOn(): void {
    this.#registers.fill(0);
  }
}

/** Where the factory's station address is kept, so that a driver can find it whatever the station registers say. */
const MAC_COPY = 0xe0;
const ERI_WORDS = 0x400;

/** Extended registers: 32 bits at multiples of 4, by type, with byte enables. */
class ExtendedRegisters {
  readonly #page: Page;
  readonly #mac: Uint8Array;
  readonly #words = new Int32Array(4 * ERI_WORDS);

  constructor(page: Page, mac: Uint8Array) {
    this.#page = page;
    this.#mac = mac;
    this.powerOn();
  }

  powerOn(): void {
    this.#words.fill(0);
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.#mac;
    const i = Eri.exgmac * ERI_WORDS + (MAC_COPY >> 2);
    this.#words[i] = a | (b << 8) | (c << 16) | (d << 24);
    this.#words[i + 1] = e | (f << 8);
  }

  readonly access: Access = (command, write) => {
    const i = ((command >>> 16) & 3) * ERI_WORDS + ((command & 0xfff) >> 2);
    if (!write) {
      this.#page.put(ERIDR, 4, this.#words[i]!);
      return command;
    }
    const mask = byteMask(command >>> 12);
    this.#words[i] = (this.#words[i]! & ~mask) | (this.#page.get(ERIDR, 4) & mask);
    return command;
  };
}

/** PCIe PHY: 128 registers of 16 bits. */
class PciePhy {
  readonly #registers = new Uint16Array(0x80);

  powerOn(): void {
    this.#registers.fill(0);
  }

  readonly access: Access = (command, write) => {
    const i = (command >>> 16) & 0x7f;
    if (write) this.#registers[i] = command;
    return (command & ~0xffff) | this.#registers[i]!;
  };
}

/** PCI configuration space through the back door. Only function 0 exists; others read all ones. */
const configAccess =
  (page: Page, config: ConfigSpace): Access =>
  (command, write) => {
    const offset = command & 0xffc;
    const mine = ((command >>> 16) & 7) === 0;
    if (!write) page.put(CSIDR, 4, mine ? config.read(offset, 4) : -1);
    else if (mine) {
      const value = page.get(CSIDR, 4);
      for (let lane = 0; lane < 4; lane++)
        if ((command >>> (12 + lane)) & 1) config.write(offset + lane, 1, (value >>> (8 * lane)) & 0xff);
    }
    return command;
  };

const byteMask = (enables: number): number =>
  (enables & 1 ? 0xff : 0) |
  (enables & 2 ? 0xff00 : 0) |
  (enables & 4 ? 0xff_0000 : 0) |
  (enables & 8 ? 0xff00_0000 : 0);

/** All of them, and the PHY's registers, which are reached in the same way. */
export class SideRegisters {
  readonly effects: Pick<Effects, "csi" | "eri" | "ephy" | "macOcp" | "phyOcp">;
  readonly #macOcp: MacOcp;
  readonly #extended: ExtendedRegisters;
  readonly #pciePhy = new PciePhy();
  readonly #handshakes: readonly Handshake[];

  /** @param accessMicros how long an access with a handshake takes */
  constructor(parts: HandshakeParts, config: ConfigSpace, mac: Uint8Array, phy: Access, accessMicros: number) {
    this.#macOcp = new MacOcp(parts.page);
    this.#extended = new ExtendedRegisters(parts.page, mac);
    const csi = new Handshake(CSIAR, accessMicros, parts, configAccess(parts.page, config));
    const eri = new Handshake(ERIAR, accessMicros, parts, this.#extended.access);
    const ephy = new Handshake(EPHYAR, accessMicros, parts, this.#pciePhy.access);
    const phyOcp = new Handshake(PHYOCP, accessMicros, parts, phy);
    this.#handshakes = [csi, eri, ephy, phyOcp];
    this.effects = {
      csi: (value, lanes) => csi.command(value, lanes),
      eri: (value, lanes) => eri.command(value, lanes),
      ephy: (value, lanes) => ephy.command(value, lanes),
      phyOcp: (value, lanes) => phyOcp.command(value, lanes),
      macOcp: (value, lanes) => this.#macOcp.command(value, lanes),
    };
  }

  powerOn(): void {
    for (const handshake of this.#handshakes) handshake.reset();
    this.#macOcp.powerOn();
    this.#extended.powerOn();
    this.#pciePhy.powerOn();
  }
}
