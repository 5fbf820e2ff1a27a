/** Options with which a NIC is brought up, and their limits. */
import type { Chip } from "#chip/chips.ts";
import type { Clock } from "#kit/clock.ts";
import type { PciDevice } from "#kit/device.ts";
import type { DmaMemory } from "#kit/dma.ts";
import { OutOfRange, OutOfWindow } from "#kit/errors.ts";
import type { InterruptLine } from "#kit/interrupts.ts";
import { isStationAddress } from "#kit/station-address.ts";
import { type AspmPolicy, checkAspm } from "./aspm.ts";
import { BadMtu, BadQueues, BadRingSize } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import { type Program, parseFirmware } from "./firmware.ts";

export interface NicOptions {
  readonly clock: Clock;
  /** MTU in bytes, from 68 to the chip's largest. */
  readonly mtu: number;
  /** Station address to use; default: the chip's own, or a random one if it has none. */
  readonly address?: Uint8Array;
  /** True if the CPU may reorder loads and stores (arm64). */
  readonly weaklyOrdered: boolean;
  /**
   * Returns the contents of the firmware file that `Chip.firmware` names, or undefined if there is no such file. The
   * chip then runs without firmware, as with Linux's driver. The function is called at most once, before anything is
   * written to the chip.
   */
  readonly firmware?: (file: string) => Uint8Array | undefined;
  /**
   * Number of descriptors in each ring: a power of two from 2 to the chip's limit. Default: 256, or the limit if lower.
   */
  readonly slots?: number;
  /**
   * Number of receive buffers of each queue that the host may hold at once, including those in transmit rings. Default:
   * twice the number of descriptors.
   */
  readonly spareBuffers?: number;
  /** Largest size of a receive buffer in bytes, a multiple of 8; longer frames use several buffers. Default 4096. */
  readonly largestBuffer?: number;
  /**
   * Number of receive queues: a power of two; default 1. Chips from the RTL8125B on have 4 receive and 2 transmit
   * queues, or 8 of each; the RTL8168H has 4 receive queues. With more than one queue the NIC hashes received frames, as
   * with `receiveHash`.
   */
  readonly queues?: number;
  /**
   * Each queue except the first is polled by a thread of its own, which needs `RingPair.lent` and the queue's line in
   * `Nic.lentLines`. Without this option the caller polls all queues. The RTL8168H does not support this, because its
   * queues share an interrupt.
   */
  readonly queueThreads?: boolean;
  /** Makes the NIC hash received frames (see `Link.hashes`). Supported by the RTL8168H, and from the RTL8125 on. */
  readonly receiveHash?: boolean;
  /**
   * Enables the PTP clock and timestamps of PTP messages: `Nic.ptp`, `Link.times`. The RTL8125B, 8125CP, 8125D and
   * later chips have such a clock, but not the 8125BP.
   */
  readonly timestamps?: boolean;
  /** Policy for the low-power states of the chip's PCI Express link; default `auto`. */
  readonly aspm?: AspmPolicy;
  /** For tests: each `receive` and `transmit` of a `Link` checks that the caller owns the buffers. */
  readonly checked?: boolean;
}

/** What `probe` has found and acquired for a NIC. */
export interface NicParts {
  readonly device: PciDevice;
  readonly chip: Chip;
  readonly xid: number;
  readonly unknownStepping: boolean;
  readonly hw: Hardware;
  readonly line: InterruptLine;
  readonly lentLines: readonly InterruptLine[];
  readonly tally: DmaMemory;
  readonly permanentAddress: Uint8Array | undefined;
  /** The station address that the chip had before this driver. The driver restores it at the end. */
  readonly original: Uint8Array;
  readonly options: NicOptions;
}

/** RFC 791: every IPv4 host must accept packets of 68 bytes. */
const SMALLEST_MTU = 68;

/** @throws {BadMtu} */
export const checkMtu = (chip: Chip, mtu: number): number => {
  if (!Number.isInteger(mtu) || mtu < SMALLEST_MTU || mtu > chip.largestMtu) throw new BadMtu(mtu, chip.largestMtu);
  return mtu;
};

export const checkAddress = (mac: Uint8Array): void => {
  if (!isStationAddress(mac)) throw new OutOfRange("a station address has six bytes, is unicast and not all zero");
};

/**
 * Smallest ring that users may set, in descriptors. Smaller rings lose frames whenever the driver's thread is delayed.
 * Tests use smaller rings on purpose.
 */
const SMALLEST_RING = 64;
const DEFAULT_RING = 256;

/** @throws {BadRingSize} unless `slots` is a power of two from `smallest` to the chip's limit */
export const checkSlots = ({ profile }: Chip, slots: number, smallest = SMALLEST_RING): number => {
  const { ringLimit } = profile.frames;
  const isPowerOfTwo = Number.isInteger(slots) && slots > 0 && (slots & (slots - 1)) === 0;
  if (!isPowerOfTwo || slots < smallest || slots > ringLimit) throw new BadRingSize(slots, smallest, ringLimit);
  return slots;
};

/** Number of descriptors in each ring, from the options. @throws {BadRingSize} */
export const slotsOf = (chip: Chip, { slots }: NicOptions): number =>
  slots === undefined ? Math.min(DEFAULT_RING, chip.profile.frames.ringLimit) : checkSlots(chip, slots, 2);

/** Number of receive queues, from the options. @throws {BadQueues} */
export const queuesOf = ({ profile, name }: Chip, { queues = 1 }: NicOptions): number => {
  const max = profile.queues.receive;
  const isPowerOfTwo = Number.isInteger(queues) && queues > 0 && (queues & (queues - 1)) === 0;
  if (!isPowerOfTwo || queues > max)
    throw new BadQueues(
      `${queues} receive queues`,
      max === 1 ? `${name} has one receive queue.` : `Use a power of two: ${name} has ${max} receive queues.`,
    );
  return queues;
};

/** True if received frames are hashed: the descriptors then need a format with a hash. */
export const hashes = ({ receiveHash = false, queues = 1 }: Pick<NicOptions, "receiveHash" | "queues">): boolean =>
  receiveHash || queues > 1;

/**
 * Default of `NicOptions.largestBuffer`: one page. Buffers of 16 KiB, as the longest jumbo frames would need, would
 * mostly hold a few hundred bytes.
 */
export const LARGEST_BUFFER = 4096;

/** @throws {OutOfRange} */
const checkBuffers = ({ spareBuffers = 0, largestBuffer = LARGEST_BUFFER }: NicOptions): void => {
  if (!Number.isInteger(spareBuffers) || spareBuffers < 0)
    throw new OutOfRange(`${spareBuffers} spare buffers`, "Use a whole number from 0.");
  if (!Number.isInteger(largestBuffer) || largestBuffer % 8 !== 0 || largestBuffer < 64)
    throw new OutOfRange(`receive buffers of ${largestBuffer} bytes`, "Use a multiple of 8 from 64.");
};

/**
 * Rejects options that this chip does not support. @throws {OutOfWindow} {OutOfRange} {BadRingSize} {BadQueues}
 * {BadAspm}
 */
export const checkOptions = (chip: Chip, windowBytes: number, options: NicOptions): void => {
  const { profile, name } = chip;
  const wanted = profile.function.windowBytes;
  if (windowBytes < wanted) throw new OutOfWindow({ what: "registers", offset: 0, width: wanted, length: windowBytes });
  slotsOf(chip, options);
  queuesOf(chip, options);
  if (options.aspm !== undefined) checkAspm(chip, options.aspm);
  if (options.address !== undefined) checkAddress(options.address);
  checkBuffers(options);
  if (options.receiveHash === true && profile.frames.hashedFormat === undefined)
    throw new OutOfRange(`${name} does not hash frames`, "Leave `receiveHash` out.");
  if (options.timestamps === true && profile.ptp === undefined)
    throw new OutOfRange(`${name} has no PTP clock`, "Leave `timestamps` out.");
  // A thread that polls a single queue may not use the registers with the timestamps.
  if (options.timestamps === true && options.queueThreads === true)
    throw new OutOfRange("timestamps require that one thread polls every queue", "Leave `queueThreads` out.");
};

/** The checked firmware of the chip; undefined if it has none, or the file is missing. @throws {BadFirmware} */
export const firmwareOf = ({ firmware: file }: Chip, { firmware }: NicOptions): Program | undefined => {
  const bytes = file === undefined ? undefined : firmware?.(file);
  return file === undefined || bytes === undefined ? undefined : parseFirmware(bytes, file);
};
