/** What a NIC is brought up with, and what of it is refused. */
import type { Chip } from "#chip/chips.ts";
import type { Clock } from "#kit/clock.ts";
import { OutOfRange, OutOfWindow } from "#kit/errors.ts";
import { isStationAddress } from "#kit/station-address.ts";
import { BadMtu } from "./errors.ts";
import { type Program, parseFirmware } from "./firmware.ts";

export interface NicOptions {
  readonly clock: Clock;
  /** Bytes of layer 3: 68 to the chip's largest. */
  readonly mtu: number;
  /** Station address to use; the chip's own unless given, or a random one where it has none. */
  readonly address?: Uint8Array;
  /** The CPU may reorder loads and stores (arm64). */
  readonly weaklyOrdered: boolean;
  /**
   * Contents of a firmware file, by the name in `Chip.firmware`; undefined where there is none: the chip then runs without, as with
   * Linux's driver. Called once, before anything is written to the chip.
   */
  readonly firmware?: (file: string) => Uint8Array | undefined;
  /** Descriptors in each ring; 256 unless told, or as many as the chip can have. */
  readonly slots?: number;
  /** Receive buffers the host may hold at once; twice the ring unless told. */
  readonly spareBuffers?: number;
}

/** RFC 791: every IPv4 host must take 68 bytes. */
const SMALLEST_MTU = 68;

export const checkMtu = (chip: Chip, mtu: number): number => {
  if (!Number.isInteger(mtu) || mtu < SMALLEST_MTU || mtu > chip.largestMtu) throw new BadMtu(mtu, chip.largestMtu);
  return mtu;
};

export const checkAddress = (mac: Uint8Array): void => {
  if (!isStationAddress(mac))
    throw new OutOfRange("a station address has six bytes, is not a group's and not all zero");
};

export const checkWindow = (length: number, wanted: number): void => {
  if (length < wanted) throw new OutOfWindow({ what: "registers", offset: 0, width: wanted, length });
};

export const checkSlots = (slots: number | undefined, limit: number): void => {
  if (slots !== undefined && slots > limit)
    throw new OutOfRange(`rings of ${slots} descriptors`, `This chip's have at most ${limit}.`);
};

/** The checked firmware of the chip; undefined where it has none or nobody has the file. @throws {BadFirmware} */
export const firmwareOf = ({ firmware: file }: Chip, { firmware }: NicOptions): Program | undefined => {
  const bytes = file === undefined ? undefined : firmware?.(file);
  return file === undefined || bytes === undefined ? undefined : parseFirmware(bytes, file);
};
