/** The events for which a NIC raises an interrupt. */
import type { Chip } from "#chip/chips.ts";
import { QUIRKS } from "#chip/quirks.ts";
import { Intr } from "#chip/registers.ts";

/** The bits that `Nic.interrupt` returns: the events since the previous call. */
export const Events = {
  receive: Intr.receiveOk | Intr.receiveError | Intr.receiveFifoOverflow,
  transmit: Intr.transmitOk | Intr.transmitError,
  link: Intr.linkChange,
  /**
   * The chip could not access memory, or its bus failed, so the chip must be reset. This bit is never set for chips
   * that raise the event without a reason.
   */
  broken: Intr.systemError,
} as const;

const ALL = Events.receive | Events.transmit | Events.link | Events.broken;

/**
 * The events for which a chip raises an interrupt. Bus errors are among them, except on chips that report them without
 * a reason, because a chip that stops after a bus error raises no other event.
 */
export const handledEvents = (chip: Chip): number =>
  ALL &
  ~(chip.profile.mac.reportsOverflow ? 0 : Intr.receiveFifoOverflow) &
  ~(QUIRKS.spuriousSystemError.on(chip) ? Events.broken : 0);
