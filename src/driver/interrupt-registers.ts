/** The chip's interrupt mask and status, in `Intr` bits. Their place and width differ between generations. */
import { IntrMask, IntrStatus } from "#chip/registers.ts";
import type { Mmio } from "#kit/mmio.ts";

export interface InterruptRegisters {
  /** What the status reads as when the card has left the bus. */
  readonly absent: number;
  status(io: Mmio): number;
  /** Lets these events interrupt, and no others. */
  allow(io: Mmio, events: number): void;
  acknowledge(io: Mmio, events: number): void;
}

/** All but the RTL8125 and later. */
export const INTERRUPTS_16: InterruptRegisters = {
  absent: 0xffff,
  status: (io) => io.read16(IntrStatus),
  allow: (io, events) => io.write16(IntrMask, events),
  acknowledge: (io, events) => io.acknowledge16(IntrStatus, events),
};
