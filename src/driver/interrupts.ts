/** The chip's interrupt mask and status, in `Intr` bits. Their place and width differ between generations. */
import { IMR0, ISR0 } from "#chip/registers-8125.ts";
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

/** By the width that a die's MAC has. */
export const INTERRUPTS: Readonly<Record<16 | 32, InterruptRegisters>> = {
  16: {
    absent: 0xffff,
    status: (io) => io.read16(IntrStatus),
    allow: (io, events) => io.write16(IntrMask, events),
    acknowledge: (io, events) => io.acknowledge16(IntrStatus, events),
  },
  32: {
    absent: 0xffff_ffff,
    status: (io) => io.read32(ISR0),
    allow: (io, events) => io.write32(IMR0, events),
    acknowledge: (io, events) => io.acknowledge32(ISR0, events),
  },
};
