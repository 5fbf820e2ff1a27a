/** Identifies a chip by its XID and, if several chips share that XID, by further registers. */
import { type Chip, chipOf, nearestChip } from "#chip/chips.ts";
import { ChipId, TxConf } from "#chip/registers.ts";
import { TxConfigV2 } from "#chip/registers-8125.ts";
import type { Clock } from "#kit/clock.ts";
import type { Mmio } from "#kit/mmio.ts";
import { ChangingIdentification } from "./errors.ts";
import { SideBus } from "./side-bus.ts";

export interface Identification {
  readonly xid: number;
  /** Undefined if the table has no row for the chip or for a related one. */
  readonly chip: Chip | undefined;
  /** True if the table has no row for this stepping; `chip` is then the nearest stepping. */
  readonly unknownStepping: boolean;
  /** True if the identification register reads all ones: no device responds. */
  readonly absent: boolean;
}

/**
 * Reads only registers that every chip has, except if several chips share the XID. @param device the PCI device ID
 * @throws {ChangingIdentification}
 */
export const identify = (io: Mmio, device: number, clock: Clock): Identification => {
  const txConfig = io.read32(ChipId);
  const again = io.read32(ChipId);
  if (again !== txConfig) throw new ChangingIdentification(txConfig, again);
  const xid = (txConfig >>> TxConf.xidShift) & TxConf.xidMask;
  const bus = new SideBus(io, clock);
  const exact = chipOf(xid, {
    device,
    // If the card's window is too small for this register, the chip does not have it.
    extended: () => (io.length < TxConfigV2 + 4 ? 0xffff_ffff : io.read32(TxConfigV2)),
    macOcp: (address) => bus.macRead(address),
  });
  const absent = txConfig === 0xffff_ffff;
  const chip = exact ?? (absent ? undefined : nearestChip(xid, device));
  return { xid, chip, unknownStepping: exact === undefined && chip !== undefined, absent };
};

/** True if the chip with this XID responds again after a removal. @throws {ChangingIdentification} if a different chip responds */
export const responds = (known: number, io: Mmio, device: number, clock: Clock): boolean => {
  const { xid, absent } = identify(io, device, clock);
  if (!absent && xid !== known) throw new ChangingIdentification(known, xid);
  return !absent;
};
