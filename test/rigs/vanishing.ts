/** A card that is removed during use: after a given number of register accesses, all reads return ones and all writes are lost. */
import type { PciDevice } from "#kit/device.ts";
import { Mmio, ro16, ro32, ro8, type RegisterBus, wo16, wo32, wo8 } from "#kit/mmio.ts";

export interface Vanishing {
  readonly device: PciDevice;
  /** Number of register accesses made, including those after the removal. */
  readonly used: () => number;
}

/**
 * Returns the same device, removed after `accesses` register accesses. Its configuration space and memory stay
 * accessible.
 */
export const vanishing = (device: PciDevice, length: number, accesses: number): Vanishing => {
  const { registers } = device;
  let used = 0;
  const bus: RegisterBus = {
    length,
    read(offset, width) {
      if (used++ >= accesses) return 2 ** (8 * width) - 1;
      if (width === 4) return registers.read32(ro32(offset));
      return width === 2 ? registers.read16(ro16(offset)) : registers.read8(ro8(offset));
    },
    write(offset, width, value) {
      if (used++ >= accesses) return;
      if (width === 4) registers.write32(wo32(offset), value);
      else if (width === 2) registers.write16(wo16(offset), value);
      else registers.write8(wo8(offset), value);
    },
  };
  const { name, id, config, dma, interrupts, power } = device;
  const setBusMaster = (on: boolean): void => device.setBusMaster(on);
  return {
    device: { name, id, config, dma, interrupts, power, registers: new Mmio(bus), setBusMaster },
    used: () => used,
  };
};
