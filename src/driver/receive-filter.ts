/** The receive filter: sets the accept bits and the multicast hash for the destinations that are accepted. */
import type { Chip } from "#chip/chips.ts";
import { framesOf } from "#chip/frames.ts";
import { MAR0, MAR4, RxConf, RxConfig } from "#chip/registers.ts";
import { OutOfRange } from "#kit/errors.ts";
import { isStationAddress } from "#kit/station-address.ts";
import type { ReceiveFormat } from "./descriptor-formats.ts";
import type { Hardware } from "./hardware.ts";

/** Frames to receive in addition to those for the station address and broadcast. */
export interface ReceiveFilter {
  /** Receive every frame, whatever its destination. */
  readonly promiscuous: boolean;
  /**
   * Group addresses, 6 bytes each; "all" for every group. Frames to other groups may pass too, because the hash has
   * only 64 bits, and some chips can only accept all groups or none.
   */
  readonly groups: "all" | readonly Uint8Array[];
  /**
   * More station addresses, 6 bytes each. The chips have no filter for them: if there are any, every frame is received.
   */
  readonly addresses?: readonly Uint8Array[];
  /** Also hand out frames with a wrong FCS and runts, marked `Received.damaged` (ethtool: rx-all). */
  readonly damaged?: boolean;
  /** Hand frames out with their FCS as the last four bytes (ethtool: rx-fcs). */
  readonly fcs?: boolean;
}

/**
 * The filter that applies until the host sets another. It accepts all that a network stack may need, except frames to
 * additional unicast addresses.
 */
export const ALL_MULTICAST: ReceiveFilter = { promiscuous: false, groups: "all" };

const CRC32_POLYNOMIAL = 0x04c1_1db7;
const ALL_ONES = 0xffff_ffff;

/**
 * The number of an address's bit in the 64-bit hash: the top six bits of the address's CRC-32, computed most
 * significant bit first.
 */
const hashBit = (address: Uint8Array): number => {
  let crc = -1;
  for (const byte of address)
    for (let bit = 0; bit < 8; bit++) {
      const carry = (crc >>> 31) ^ ((byte >>> bit) & 1);
      crc = (crc << 1) ^ (carry === 1 ? CRC32_POLYNOMIAL : 0);
    }
  return crc >>> 26;
};

const byteSwap = (word: number): number =>
  ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;

/** Values of MAR0 and MAR4 for `groups`. On PCI Express chips the eight bytes are in reverse order. */
export const multicastHash = (chip: Chip, groups: ReceiveFilter["groups"]): { mar0: number; mar4: number } => {
  const { reversedHash, allMulticastOnly } = framesOf(chip);
  if (groups === "all" || (allMulticastOnly && groups.length > 0)) return { mar0: ALL_ONES, mar4: ALL_ONES };
  const words = new Uint32Array(2);
  for (const group of groups) {
    const bit = hashBit(group);
    words[bit >>> 5]! |= 1 << (bit & 31);
  }
  const [low, high] = words as unknown as [number, number];
  return reversedHash ? { mar0: byteSwap(high), mar4: byteSwap(low) } : { mar0: low, mar4: high };
};

/** @throws {OutOfRange} for a group address that is not multicast, or another address that is not unicast */
export const checkFilter = ({ groups, addresses = [] }: ReceiveFilter): void => {
  if (!addresses.every(isStationAddress))
    throw new OutOfRange("an additional station address has six bytes, is unicast and not all zero");
  if (groups === "all") return;
  for (const group of groups)
    if (group.length !== 6 || (group[0]! & 1) === 0)
      throw new OutOfRange("a group address has six bytes, and its first byte is odd");
};

/** The accept bits of RxConfig. */
const acceptBits = ({ promiscuous, groups, addresses = [], damaged = false }: ReceiveFilter): number => {
  const everything = promiscuous || addresses.length > 0;
  return (
    RxConf.acceptBroadcast |
    RxConf.acceptPhysical |
    (everything || groups.length > 0 ? RxConf.acceptMulticast : 0) |
    (everything ? RxConf.acceptAll : 0) |
    (damaged ? RxConf.acceptError | RxConf.acceptRunt : 0)
  );
};

/**
 * Sets the filter. The hash is written high half first, and before the accept bits that use it.
 * @param format the format of the receive descriptors, which RxConfig selects too
 */
export const setReceiveFilter = (
  { io, chip }: Hardware,
  filter: ReceiveFilter,
  { config, cleared }: Pick<ReceiveFormat, "config" | "cleared">,
): void => {
  const accept = acceptBits(filter);
  const { mar0, mar4 } = multicastHash(chip, (accept & RxConf.acceptAll) === 0 ? filter.groups : "all");
  io.write32(MAR4, mar4);
  io.write32(MAR0, mar0);
  io.write32(RxConfig, ((chip.profile.mac.receiveConfig & ~cleared) | config | accept) >>> 0);
};
