/** Parts that several buses use: guest memory of one window, base address registers, and the command register. */
import type { PciId } from "#kit/device.ts";
import { type Mmio, ro16, ro32, ro8, rw16 } from "#kit/mmio.ts";
import type { FrameMemory } from "#kit/link.ts";
import type { GuestMemory, MemoryRegion } from "#kit/target.ts";

/**
 * Device address of the DMA window. Deliberately above 4 GiB: a driver or model that ignores the high half of an
 * address fails at once.
 */
export const WINDOW_IOVA = 0x1_4000_0000;

/** One window as guest memory: accesses outside it are rejected, as with an IOMMU. */
export class WindowMemory implements GuestMemory {
  readonly #region: MemoryRegion;

  /** @param length number of bytes, from the start of `memory`, that belong to the guest */
  constructor(memory: FrameMemory, iova: number, length: number) {
    this.#region = { ...memory, address: iova, length };
  }

  region(address: number, length: number): MemoryRegion | undefined {
    const { address: start, length: size } = this.#region;
    return address >= start && length >= 0 && address + length <= start + size ? this.#region : undefined;
  }
}

/** Registers of PCI configuration space that every function has (PCI 3.0, 6.1). */
const VENDOR = ro16(0x00);
const DEVICE = ro16(0x02);
const COMMAND = rw16(0x04);
const REVISION = ro8(0x08);
const SUBSYSTEM_VENDOR = ro16(0x2c);
const SUBSYSTEM_DEVICE = ro16(0x2e);
const MEMORY_SPACE = 1 << 1;
const BUS_MASTER = 1 << 2;

export const identity = (config: Mmio): PciId => ({
  vendor: config.read16(VENDOR),
  device: config.read16(DEVICE),
  revision: config.read8(REVISION),
  subsystemVendor: config.read16(SUBSYSTEM_VENDOR),
  subsystemDevice: config.read16(SUBSYSTEM_DEVICE),
});

/** Base address registers (PCI 3.0, 6.2.5.1), and their low bits. */
export const BAR_AT = 0x10;
export const BARS = 6;
export const BAR_IO = 1;
/** The BAR has 64 bits and uses the next register too. */
export const BAR_64 = 4;

/** The first memory BAR whose size, given by `bytesOf`, is not 0; undefined if there is none. */
export const firstMemoryBar = (config: Mmio, bytesOf: (bar: number) => number): number | undefined => {
  for (let bar = 0; bar < BARS; bar++) {
    const low = config.read32(ro32(BAR_AT + 4 * bar));
    if ((low & BAR_IO) !== 0) continue;
    if (bytesOf(bar) > 0) return bar;
    if ((low & BAR_64) !== 0) bar++;
  }
  return undefined;
};

/** Whether the card responds to memory accesses. A reset of the bus turns this off. */
export const decodesMemory = (config: Mmio): boolean => (config.read16(COMMAND) & MEMORY_SPACE) !== 0;

/** Enables memory space in the command register, and sets bus mastering as given. */
export const setBusMaster = (config: Mmio, on: boolean): void =>
  config.update16(COMMAND, BUS_MASTER, MEMORY_SPACE | (on ? BUS_MASTER : 0));
