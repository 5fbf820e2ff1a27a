/** Wrong uses of registers, which must not compile. */
import { type Mmio, type Register, bits, ro8, rw16, rw8, w1c16, w1c32, wo8 } from "./mmio.ts";

const PhyStatus = ro8(0x6c);
const Doorbell = wo8(0x38);
const Command = rw8(0x37);
const Mask = rw16(0x3c);
const Status = w1c16(0x3e);
const WideStatus = w1c32(0x3c);

const Config = rw8(0x52, "Conf");
const Conf = bits("Conf", { enable: 1 << 0, speedDown: 1 << 4 });
const Control = rw8(0xd3, "Mcu");
const Mcu = bits("Mcu", { outOfBand: 1 << 7 });
const Events = w1c16(0x3e, "Intr");
const Intr = bits("Intr", { link: 1 << 5 });

export const allowed = (io: Mmio): number => {
  io.write8(Doorbell, 1);
  io.update8(Command, 0, 1);
  io.write16(Mask, io.read16(Mask));
  io.acknowledge16(Status, io.read16(Status));
  io.acknowledge32(WideStatus, io.read32(WideStatus));
  return io.read8(PhyStatus) + io.read8(Command);
};

export const access = (io: Mmio): void => {
  // @ts-expect-error PhyStatus is read-only
  io.write8(PhyStatus, 0);
  // @ts-expect-error a read-only register cannot be updated either
  io.update8(PhyStatus, 0, 1);
  // @ts-expect-error the doorbell is write-only
  io.read8(Doorbell);
  // @ts-expect-error a register that cannot be read cannot be updated
  io.update8(Doorbell, 0, 1);
};

export const width = (io: Mmio): void => {
  // @ts-expect-error the command register has 8 bits
  io.read16(Command);
  // @ts-expect-error the mask has 16 bits
  io.write8(Mask, 0);
  // @ts-expect-error the status has 16 bits
  io.acknowledge32(Status, 0);
};

export const bareNumbers = (io: Mmio): void => {
  // @ts-expect-error a bare number is not a register
  io.read8(0x37);
  // @ts-expect-error the sum of a register and a number is not a register
  io.write8(Command + 1, 0);
  // @ts-expect-error a type annotation does not make a number a register
  const made: Register<8, "rw"> = 0x37;
  io.write8(made, 0);
};

export const ownBits = (io: Mmio): void => {
  io.write8(Config, Conf.enable);
  io.update8(Config, Conf.speedDown, Conf.enable | Conf.speedDown);
  io.update8(Control, Mcu.outOfBand, 0);
  io.acknowledge16(Events, Intr.link);
  io.write8(Config, 0x11);
  // @ts-expect-error this bit belongs to another register
  io.write8(Config, Mcu.outOfBand);
  // @ts-expect-error a bit of another register cannot be cleared
  io.update8(Control, Conf.enable, 0);
  // @ts-expect-error a bit of another register cannot be set
  io.update8(Control, 0, Conf.enable);
  // @ts-expect-error a bit of another register cannot be acknowledged
  io.acknowledge16(Events, Conf.enable);
  // @ts-expect-error a register whose bits have no name does not accept another register's bits
  io.write8(Command, Conf.enable);
  // @ts-expect-error a type annotation does not make a number a bit
  const made: typeof Conf.enable = 1;
  io.write8(Config, made);
};

export const writeOneToClear = (io: Mmio): void => {
  // @ts-expect-error read-modify-write would clear events that were not read
  io.update16(Status, 0, 1);
  // @ts-expect-error a plain store is not an acknowledgement: use acknowledge16
  io.write16(Status, 1);
  // @ts-expect-error only a write-1-to-clear register can be acknowledged
  io.acknowledge16(Mask, 1);
};
