/** The hardware that the driver's steps access: an identified chip and its parts. */
import type { Chip } from "#chip/chips.ts";
import type { Start } from "#chip/steps.ts";
import { type Clock, until } from "#kit/clock.ts";
import type { Mmio } from "#kit/mmio.ts";
import type { Program } from "./firmware.ts";
import { INTERRUPTS, type InterruptRegisters, queueInterrupts } from "./interrupts.ts";
import { type PhyBus, phyBusOf } from "./phy-bus.ts";
import { SideBus } from "./side-bus.ts";

/** A chip that has been identified. */
export interface IdentifiedChip {
  readonly io: Mmio;
  readonly clock: Clock;
  readonly chip: Chip;
}

/** Counts waits that expired and after which the driver continued, and describes the last one. */
export class ExpiredWaits {
  count = 0;
  /** The condition that the last expired wait waited for; empty if no wait has expired. */
  last = "";

  note(what: string): void {
    this.count++;
    this.last = what;
  }
}

export interface Hardware extends IdentifiedChip {
  readonly phy: PhyBus;
  readonly side: SideBus;
  /**
   * Interrupt registers of the queues that are polled together, and of the events that do not belong to a queue.
   */
  readonly interrupts: InterruptRegisters;
  /** Interrupt registers of all queues, used to mask them. */
  readonly allInterrupts: InterruptRegisters;
  /** Number of receive queues in use. */
  readonly queues: number;
  /** The start-up values for this chip. */
  readonly start: Start;
  /** The chip's firmware, checked; undefined if there is none. */
  readonly firmware: Program | undefined;
  readonly expiredWaits: ExpiredWaits;
}

/**
 * Creates the parts of `Hardware`. Accesses no register. @param queues number of receive queues in use, at most as many
 * as the chip has @param polled number of queues that are polled together
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
    queues > 1 ? queueInterrupts(facts, count) : INTERRUPTS[mac.interrupts];
  return {
    ...device,
    phy: phyBusOf(device),
    side: new SideBus(device.io, device.clock),
    interrupts: of(polled),
    allInterrupts: of(queues),
    queues,
    start,
    firmware,
    expiredWaits: new ExpiredWaits(),
  };
};

/**
 * Waits until `condition` returns true, for at most `limit` microseconds. `condition` is called every `poll`
 * microseconds. A wait that expires is counted, with `what` as its name.
 */
export const awaitState = (
  { clock, expiredWaits }: Hardware,
  what: string,
  limit: number,
  condition: () => boolean,
  poll = 100,
): void => {
  if (!until(clock, limit, poll, condition)) expiredWaits.note(what);
};
