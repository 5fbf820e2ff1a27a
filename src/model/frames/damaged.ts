/** Frames that were damaged on the wire: their status in the descriptor, and the FCS that is stored after them. */
import { RxConf } from "#chip/registers.ts";
import { Damage } from "#kit/port.ts";
import { crc32Padded } from "#wire/crc32.ts";
import { newMemory } from "#wire/memory.ts";
import type { ReceiveLayout } from "./receive-layout.ts";
import type { ReceiveSettings } from "./receive-settings.ts";
import type { ScatterList } from "./scatter.ts";

const FCS_BYTES = 4;
const check = newMemory(FCS_BYTES);

/** Status bits of opts1 for a damaged frame, or 0 if the receive settings do not accept the frame. */
export const damageStatus = (damage: number, layout: ReceiveLayout, settings: ReceiveSettings): number => {
  const crc = (damage & (Damage.crc | Damage.alignment)) !== 0;
  const long = (damage & Damage.long) !== 0;
  const runt = (damage & Damage.runt) !== 0;
  if (runt && (settings.accept & RxConf.acceptRunt) === 0) return 0;
  if ((crc || long) && (settings.accept & RxConf.acceptError) === 0) return 0;
  if (crc && settings.dropsBadCrc) return 0;
  const errors = (crc ? layout.crcError : 0) | (long ? layout.watchdog : 0) | (runt ? layout.runt : 0);
  return errors === 0 ? 0 : errors | layout.errorSummary;
};

/**
 * Writes at position `at` of `pieces` the FCS of a frame that is followed by `padding` zeros. If `wrong` is true, the
 * FCS is inverted.
 */
export const writeFrameCheck = (
  pieces: ScatterList,
  at: number,
  bytes: Uint8Array,
  frame: number,
  length: number,
  padding: number,
  wrong: boolean,
): void => {
  const sequence = crc32Padded(bytes, frame, length, padding) ^ (wrong ? -1 : 0);
  for (let i = 0; i < FCS_BYTES; i++) check.bytes[i] = sequence >>> (8 * i);
  pieces.copyIn(at, FCS_BYTES, check, 0);
};
