/**
 * The chip's interrupt mask and status, in `Intr` bits. The registers' address and width differ between generations.
 * Chips with several queues also have either a vectored status word, each of whose bits has a vector of its own, or a
 * status byte for each queue but the first.
 */
import type { Queues } from "#chip/queues.ts";
import { IMR0, IMR_V2_CLEAR, IMR_V2_SET, ISR0, ISR_V2 } from "#chip/registers-8125.ts";
import {
  Intr,
  IntrMask,
  IntrMask1,
  IntrMask2,
  IntrMask3,
  IntrStatus,
  IntrStatus1,
  IntrStatus2,
  IntrStatus3,
  QueueIntr,
} from "#chip/registers.ts";
import type { Interrupts } from "#kit/interrupts.ts";
import type { Mmio } from "#kit/mmio.ts";
import { BadQueues } from "./errors.ts";

export interface InterruptRegisters {
  /** The value that a read of the status returns if the card has left the bus. */
  readonly absent: number;
  /** True if the status is the vectored word, which has no bits for errors and overflows. */
  readonly vectored: boolean;
  status(io: Mmio): number;
  /**
   * Enables interrupts for these events; with 0, disables all interrupts. Registers that are not vectored also disable
   * the interrupts of all other events.
   */
  allow(io: Mmio, events: number): void;
  acknowledge(io: Mmio, events: number): void;
}

const ALL_ONES = 0xffff_ffff;

/** The interrupt registers by their width (`MacFacts.interrupts`). */
export const INTERRUPTS: Readonly<Record<16 | 32, InterruptRegisters>> = {
  16: {
    absent: 0xffff,
    vectored: false,
    status: (io) => io.read16(IntrStatus),
    allow: (io, events) => io.write16(IntrMask, events),
    acknowledge: (io, events) => io.acknowledge16(IntrStatus, events),
  },
  32: {
    absent: ALL_ONES,
    vectored: false,
    status: (io) => io.read32(ISR0),
    allow: (io, events) => io.write32(IMR0, events),
    acknowledge: (io, events) => io.acknowledge32(ISR0, events),
  },
};

/** Bits of the vectored word for queues and for the link. A vector has the same number as its bit. */
interface VectorBits {
  readonly receive: number;
  readonly transmit: number;
  readonly link: number;
}

/** The bits of `count` queues, starting at `first`. */
const bitsOf = ({ vectored, transmit: transmitQueues }: Queues, first: number, count: number): VectorBits => {
  if (vectored === undefined) return { receive: 0, transmit: 0, link: 0 };
  let [receive, transmit] = [0, 0];
  for (let i = first; i < first + count; i++) {
    receive |= 1 << (vectored.receive + i);
    if (i < transmitQueues) transmit |= 1 << (vectored.transmit + vectored.transmitStep * i);
  }
  return { receive, transmit, link: first === 0 ? 1 << vectored.linkChange : 0 };
};

/** The bits with which both directions of one queue are masked and acknowledged. */
export const queueBits = (facts: Queues, queue: number): number => {
  const { receive, transmit } = bitsOf(facts, queue, 1);
  return receive | transmit;
};

const vectorsIn = (word: number): readonly number[] =>
  Array.from({ length: 32 }, (_, i) => i).filter((i) => ((word >>> i) & 1) !== 0);

/**
 * The vectors of each interrupt line. The first line is for the queues that are polled together and for the link; each
 * other queue has a line of its own. @throws {BadQueues} if the bus has too few vectors, or if the chip's queues share
 * an interrupt but are not all polled together
 */
export const vectorsOf = (
  interrupts: Interrupts,
  facts: Queues,
  { queues, polled }: { readonly queues: number; readonly polled: number },
): readonly [readonly number[], ...(readonly number[])[]] => {
  if (queues === 1) return [[0]];
  if (facts.vectored === undefined) {
    if (polled < queues)
      throw new BadQueues("a thread for each queue", "This chip's queues share an interrupt: poll all in one thread.");
    // With MSI and INTx all queues share one vector.
    return [interrupts.vectors < queues ? [0] : Array.from({ length: queues }, (_, i) => i)];
  }
  const { receive, transmit, link } = bitsOf(facts, 0, polled);
  const others = Array.from({ length: queues - polled }, (_, i) => vectorsIn(queueBits(facts, polled + i)));
  const vectors = [vectorsIn(receive | transmit | link), ...others] as const;
  const last = Math.max(...vectors.flat());
  if (last < interrupts.vectors) return vectors;
  throw new BadQueues(
    `${queues} receive queues`,
    `They need the interrupt vectors up to ${last}, and the bus offers ${interrupts.vectors}. Use one queue.`,
  );
};

/**
 * Interrupt registers of the vectored word, for `queues` queues that are polled together. The word has no bits for
 * errors and overflows. A bit that both directions of a queue share is reported as an event of both. An event is
 * acknowledged for all `queues` queues at once, because all of them are polled afterwards.
 */
const vectoredInterrupts = (facts: Queues, queues: number): InterruptRegisters => {
  const { receive, transmit, link } = bitsOf(facts, 0, queues);
  const words = (events: number): number =>
    (((events & Intr.receiveOk) === 0 ? 0 : receive) |
      ((events & Intr.transmitOk) === 0 ? 0 : transmit) |
      ((events & Intr.linkChange) === 0 ? 0 : link)) >>>
    0;
  return {
    absent: ALL_ONES,
    vectored: true,
    status(io) {
      const word = io.read32(ISR_V2);
      if (word === ALL_ONES) return word;
      const received = (word & receive) === 0 ? 0 : Intr.receiveOk;
      const sent = (word & transmit) === 0 ? 0 : Intr.transmitOk;
      return received | sent | ((word & link) === 0 ? 0 : Intr.linkChange);
    },
    allow(io, events) {
      if (events === 0) io.write32(IMR_V2_CLEAR, words(ALL_ONES));
      else io.write32(IMR_V2_SET, words(events));
    },
    acknowledge: (io, events) => io.acknowledge32(ISR_V2, words(events)),
  };
};

const OTHERS = [
  { mask: IntrMask1, status: IntrStatus1 },
  { mask: IntrMask2, status: IntrStatus2 },
  { mask: IntrMask3, status: IntrStatus3 },
] as const;

/**
 * Interrupt registers of `queues` queues, each of which except the first has a status byte. All queues are acknowledged
 * together, because all are polled afterwards.
 */
const byteInterrupts = (queues: number): InterruptRegisters => {
  const { receiveOk, receiveUnavailable } = QueueIntr;
  const others = OTHERS.slice(0, queues - 1);
  const main = INTERRUPTS[16];
  return {
    ...main,
    status(io) {
      let status = main.status(io);
      if (status === main.absent) return status;
      for (const other of others) {
        const byte = io.read8(other.status);
        if ((byte & receiveOk) !== 0) status |= Intr.receiveOk;
        if ((byte & receiveUnavailable) !== 0) status |= Intr.receiveUnavailable;
      }
      return status;
    },
    allow(io, events) {
      main.allow(io, events);
      const allowed = (events & Intr.receiveOk) === 0 ? 0 : receiveOk;
      for (const { mask } of others) io.write8(mask, allowed);
    },
    acknowledge(io, events) {
      main.acknowledge(io, events);
      if ((events & (Intr.receiveOk | Intr.receiveUnavailable)) === 0) return;
      for (const { status } of others) io.acknowledge8(status, receiveOk | receiveUnavailable);
    },
  };
};

/** Interrupt registers of several queues that are polled together. */
export const queueInterrupts = (facts: Queues, queues: number): InterruptRegisters =>
  facts.vectored === undefined ? byteInterrupts(queues) : vectoredInterrupts(facts, queues);
