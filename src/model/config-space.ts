/** PCI configuration space, 4 KiB: identity, base addresses, power management, MSI, Express, MSI-X. PCI 3.0, PCIe 3.0. */
import { type AccessWidth, CONFIG_BYTES, ones, Page } from "./page.ts";
import type { RegionName } from "#kit/target.ts";

/** Bytes of each region; BAR0 is I/O, BAR2 and BAR4 are 64-bit memory. */
export const REGION_BYTES: Readonly<Record<RegionName, number>> = {
  config: CONFIG_BYTES,
  0: 256,
  1: 0,
  2: 4096,
  3: 0,
  4: 16384,
  5: 0,
};

/** MSI-X: four vectors, table at the start of BAR4 and pending bits behind it. */
export const MSIX_VECTORS = 4;
export const MSIX_PENDING_AT = 0x800;
/** Address, address high, data, control; masked at reset. */
const MSIX_ENTRY_BYTES = 16;

const COMMAND = 0x04;
const BUS_MASTER = 1 << 2;
const POWER_AT = 0x40;
const MSI_AT = 0x50;
const EXPRESS_AT = 0x70;
const MSIX_AT = 0xb0;
const SERIAL_AT = 0x140;

/** Offset, bytes, value, bits a guest can write. */
type Field = readonly [offset: number, bytes: 1 | 2 | 4, value: number, writable: number];

// prettier-ignore
// oxfmt-ignore
const FIELDS: readonly Field[] = [
  [0x00, 2, 0x10ec, 0], [0x02, 2, 0x8168, 0],
  [COMMAND, 2, 0, 0x0547], // I/O, memory, bus master, parity, SERR, INTx off
  [0x06, 2, 0x0010, 0],    // has capabilities
  [0x08, 1, 0x15, 0],      // revision of RTL8168H
  [0x09, 1, 0, 0], [0x0a, 2, 0x0200, 0], // Ethernet controller
  [0x0c, 1, 0x10, 0xff],
  [0x10, 4, 0x0000_0001, 0xffff_ff00],
  [0x18, 4, 0x0000_0004, 0xffff_f000], [0x1c, 4, 0, 0xffff_ffff],
  [0x20, 4, 0x0000_000c, 0xffff_c000], [0x24, 4, 0, 0xffff_ffff],
  [0x2c, 2, 0x10ec, 0], [0x2e, 2, 0x0123, 0],
  [0x34, 1, POWER_AT, 0],
  [0x3c, 1, 0, 0xff], [0x3d, 1, 1, 0], // INTA
  // Power management 3: D1, D2, PME from all states. A change to D0 keeps the state (no soft reset).
  [POWER_AT, 2, MSI_AT << 8 | 0x01, 0], [POWER_AT + 2, 2, 0xffc3, 0], [POWER_AT + 4, 2, 0x0008, 0x0103],
  // MSI: one vector, 64-bit.
  [MSI_AT, 2, EXPRESS_AT << 8 | 0x05, 0], [MSI_AT + 2, 2, 0x0080, 0x0001],
  [MSI_AT + 4, 4, 0, 0xffff_fffc], [MSI_AT + 8, 4, 0, 0xffff_ffff], [MSI_AT + 12, 2, 0, 0xffff],
  // Express endpoint version 2: 128-byte payload, 2.5 GT/s x1, ASPM L0s and L1.
  [EXPRESS_AT, 2, MSIX_AT << 8 | 0x10, 0], [EXPRESS_AT + 2, 2, 0x0202, 0],
  [EXPRESS_AT + 4, 4, 0x0000_8cc0, 0], [EXPRESS_AT + 8, 2, 0x2810, 0x7fff], [EXPRESS_AT + 10, 2, 0x0010, 0],
  [EXPRESS_AT + 12, 4, 0x0047_7c11, 0], [EXPRESS_AT + 16, 2, 0, 0x01fb], [EXPRESS_AT + 18, 2, 0x1011, 0],
  [EXPRESS_AT + 36, 4, 0x0000_081f, 0], [EXPRESS_AT + 40, 2, 0, 0x047f],
  [MSIX_AT, 2, 0x0011, 0], [MSIX_AT + 2, 2, MSIX_VECTORS - 1, 0xc000],
  [MSIX_AT + 4, 4, 4, 0], [MSIX_AT + 8, 4, MSIX_PENDING_AT | 4, 0],
  // Extended: device serial number, made from the station address below.
  [0x100, 4, SERIAL_AT << 20 | 0x1_0001, 0], // advanced error reporting, no errors ever
  [SERIAL_AT, 4, 0x1_0003, 0],
  // ASPM entry latency (0x70f) and the ZRX-DC byte (0x890) that drivers set.
  [0x70c, 4, 0x2700_0000, 0xff00_0000], [0x890, 1, 1, 0xff],
];

/** Registers that behave like memory with a mask, in the page behind the device's registers. */
export class ConfigSpace {
  readonly #page: Page;
  readonly #writable = new Uint8Array(CONFIG_BYTES);
  readonly #mac: Uint8Array;

  /** @param page 4 KiB */
  constructor(page: Page, mac: Uint8Array) {
    this.#page = page;
    this.#mac = mac;
    for (const [offset, bytes, , writable] of FIELDS)
      for (let i = 0; i < bytes; i++) this.#writable[offset + i] = writable >>> (8 * i);
    this.powerOn();
  }

  powerOn(): void {
    this.#page.words.fill(0);
    for (const [offset, bytes, value] of FIELDS) this.#page.put(offset, bytes, value);
    // EUI-64 from the station address, least significant byte first (PCIe 3.0, 7.12.2).
    const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = this.#mac;
    this.#page.put(SERIAL_AT + 4, 4, f | (e << 8) | (d << 16) | (0xfe << 24));
    this.#page.put(SERIAL_AT + 8, 4, 0xff | (c << 8) | (b << 16) | (a << 24));
  }

  /** Whether the device may read and write memory on its own. */
  get busMaster(): boolean {
    return (this.#page.get(COMMAND, 2) & BUS_MASTER) !== 0;
  }

  read(offset: number, width: AccessWidth): number {
    return offset + width > CONFIG_BYTES ? ones(width) : this.#page.get(offset, width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset + width > CONFIG_BYTES) return;
    for (let i = 0; i < width; i++) {
      const mask = this.#writable[offset + i]!;
      const old = this.#page.get(offset + i, 1);
      this.#page.put(offset + i, 1, (old & ~mask) | ((value >>> (8 * i)) & mask));
    }
  }
}

/** The MSI-X table and its pending bits: memory that the bus, which delivers messages, looks at or keeps to itself. */
export class MsixTable {
  readonly #page: Page;

  constructor() {
    this.#page = new Page(new ArrayBuffer(REGION_BYTES[4]), 0, REGION_BYTES[4]);
    this.powerOn();
  }

  powerOn(): void {
    this.#page.words.fill(0);
    for (let v = 0; v < MSIX_VECTORS; v++) this.#page.put(v * MSIX_ENTRY_BYTES + 12, 4, 1);
  }

  read(offset: number, width: AccessWidth): number {
    return this.#page.get(offset, width);
  }

  write(offset: number, width: AccessWidth, value: number): void {
    if (offset + width <= MSIX_VECTORS * MSIX_ENTRY_BYTES) this.#page.put(offset, width, value);
  }
}
