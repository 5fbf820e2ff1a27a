/** What the driver's steps work on: an identified chip and access to its parts. */
import type { Chip } from "#chip/chips.ts";
import type { Start } from "#chip/steps.ts";
import { type Clock, until } from "#kit/clock.ts";
import type { Mmio } from "#kit/mmio.ts";
import type { Program } from "./firmware.ts";
import { INTERRUPTS, type InterruptRegisters, vectoredInterrupts } from "./interrupts.ts";
import { type PhyBus, phyBusOf } from "./phy-bus.ts";
import { SideBus } from "./side-bus.ts";

/** A chip that has been identified. */
export interface IdentifiedChip {
  readonly io: Mmio;
  readonly clock: Clock;
  readonly chip: Chip;
}

/** Expired waits that did not end bring-up: their number, and the purpose of the last one. */
export class ExpiredWaits {
  count = 0;
  /** Empty until there was one. */
  last = "";

  note(what: string): void {
    this.count++;
    this.last = what;
  }
}

export interface Hardware extends IdentifiedChip {
  readonly phy: PhyBus;
  readonly side: SideBus;
  /** Of the queues that are polled together, and of everything that belongs to no queue. */
  readonly interrupts: InterruptRegisters;
  /** Of all queues: to mask them. */
  readonly allInterrupts: InterruptRegisters;
  /** Receive queues in use. */
  readonly queues: number;
  /** The chip's start-up values. */
  readonly start: Start;
  /** The chip's firmware, checked; undefined if there is none. */
  readonly firmware: Program | undefined;
  readonly overdue: ExpiredWaits;
}

/**
 * Nothing is read or written yet.
 * @param queues receive queues; more than one only for chips that have them
 * @param polled how many of them are polled together
 */
export const hardwareOf = (
  device: IdentifiedChip,
  start: Start,
  firmware?: Program,
  queues = 1,
  polled = queues,
): Hardware => {
  const { mac, queues: facts } = device.chip.profile;
  const of = (count: number): InterruptRegisters =>
    queues > 1 && facts.vectored !== undefined ? vectoredInterrupts(facts, count) : INTERRUPTS[mac.interrupts];
  return {
    ...device,
    phy: phyBusOf(device),
    side: new SideBus(device.io, device.clock),
    interrupts: of(polled),
    allInterrupts: of(queues),
    queues,
    start,
    firmware,
    overdue: new ExpiredWaits(),
  };
};

/** Waits up to `limit` microseconds, checking every `poll`; an expired wait is counted as `what`. */
export const awaitState = (
  { clock, overdue }: Hardware,
  what: string,
  limit: number,
  condition: () => boolean,
  poll = 100,
): void => {
  if (!until(clock, limit, poll, condition)) overdue.note(what);
};
