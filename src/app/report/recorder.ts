/** Records every register access of a device, as a line with the datasheet's names. */
import type { PciDevice } from "#kit/device.ts";
import { Mmio, type RegisterBus, ro16, ro32, ro8, wo16, wo32, wo8 } from "#kit/mmio.ts";

export interface Access {
  readonly write: boolean;
  readonly offset: number;
  /** Width of the access in bytes. */
  readonly width: 1 | 2 | 4;
  readonly value: number;
  /** Number of consecutive repetitions, as when a driver polls a register. */
  times: number;
}

/** Maximum number of recorded accesses, above what any bring-up needs. Further accesses are only counted. */
const MAX_ACCESSES = 5_000;
/** Size in bytes of the largest register window of the family. The device's own window still checks its bounds. */
const WINDOW = 1 << 16;

/** Reads a register in the given width. */
export const readAt = (io: Mmio, offset: number, width: 1 | 2 | 4): number => {
  if (width === 1) return io.read8(ro8(offset));
  return width === 2 ? io.read16(ro16(offset)) : io.read32(ro32(offset));
};
const writeAt = (io: Mmio, offset: number, width: 1 | 2 | 4, value: number): void => {
  if (width === 1) io.write8(wo8(offset), value);
  else if (width === 2) io.write16(wo16(offset), value);
  else io.write32(wo32(offset), value);
};

export class Recorder {
  readonly accesses: Access[] = [];
  /** Number of accesses beyond the limit, which were not recorded. */
  lost = 0;

  /** Returns a device whose register accesses are recorded and passed on to `device`. */
  around(device: PciDevice): PciDevice {
    const { registers: io } = device;
    const bus: RegisterBus = {
      length: WINDOW,
      read: (offset, width) => {
        const value = readAt(io, offset, width);
        this.#note({ write: false, offset, width, value, times: 1 });
        return value;
      },
      write: (offset, width, value) => {
        this.#note({ write: true, offset, width, value, times: 1 });
        writeAt(io, offset, width, value);
      },
    };
    const { name, id, config, dma, interrupts, power } = device;
    return {
      name,
      id,
      config,
      dma,
      interrupts,
      power,
      registers: new Mmio(bus),
      setBusMaster: (on) => device.setBusMaster(on),
    };
  }

  #note(access: Access): void {
    const last = this.accesses.at(-1);
    const same =
      last !== undefined &&
      last.write === access.write &&
      last.offset === access.offset &&
      last.width === access.width &&
      last.value === access.value;
    if (same) last.times++;
    else if (this.accesses.length < MAX_ACCESSES) this.accesses.push(access);
    else this.lost++;
  }
}
