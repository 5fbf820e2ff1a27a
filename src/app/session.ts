/** A NIC that is up: the driver's thread, the model's thread if there is one, and the main thread's handles of both. */
import type { CauseName } from "./causes.ts";
import type { AspmPolicy } from "#driver/aspm.ts";
import type { Statistics } from "./counters.ts";
import type { Argument } from "./argument.ts";
import type { WireSpec } from "./wires/wire-spec.ts";

/** The host's end: a TAP interface with offloads. */
export interface HostSpec {
  readonly name: string;
  /** Descriptor of the network namespace in which the TAP is created. */
  readonly namespace?: number;
}

/** A model of the NIC, in this process. */
export interface ModelSpec {
  readonly kind: "model";
  /** The chip's key: see `ferrule model chips`. */
  readonly chip: string;
  readonly wire: WireSpec;
  /** Permissions of a socket on which the wire listens; default: owner only. */
  readonly socketMode?: number;
  /** Number of data-plane threads. With 1, the default, driver and model share a thread; with 2, each has its own. */
  readonly threads?: 1 | 2;
  /** pcapng file with the frames on the wire. */
  readonly capture?: string;
}

/** A card in a slot, through VFIO. */
export interface CardSpec {
  readonly kind: "pci";
  /** The address as the kernel writes it: 0000:03:00.0. */
  readonly address: string;
  /** Use the card without an IOMMU, in which case it can access all memory. */
  readonly unsafeNoIommu: boolean;
}

/** The device. Its `kind` says how it is accessed. */
export type DeviceSpec =
  | ModelSpec
  | CardSpec
  | { readonly kind: "vfio-user"; /** The server's socket. */ readonly path: string };

export interface SessionOptions {
  readonly device: DeviceSpec;
  readonly host: HostSpec;
  /** MTU in bytes of layer 3, from 68 to the chip's limit. */
  readonly mtu: number;
  /** Number of descriptors in each ring: a power of two from 64 to the chip's limit; default 256. */
  readonly rings?: number;
  /** Number of receive queues, each with a queue of the TAP: a power of two that the chip supports; default 1. */
  readonly queues?: number;
  /**
   * Use a data-plane thread for each queue instead of one thread for all; default false. This is not possible for a
   * device behind a socket.
   */
  readonly queueThreads?: boolean;
  /** ASPM policy of the chip; default `auto`. */
  readonly aspm?: AspmPolicy;
  /** Station address; default: the chip's own, or a random one if it has none. */
  readonly address?: Uint8Array;
  /** Wake-up events, as ethtool writes them: "g" is a magic packet. Default: as set by the firmware. */
  readonly wake?: string;
  /** Folder of the firmware files; default: the system's folders. */
  readonly firmware?: string;
  /** pcapng file with the frames on the host's side. */
  readonly captureHost?: string;
  /** Seconds without a link after which the NIC sleeps until it has one; if absent, it never sleeps. */
  readonly sleepWithoutLink?: number;
  /** Seconds to wait for a card that no longer responds; default 2. With 0 the session ends at once. */
  readonly waitForCard?: number;
}

/** Facts about the NIC, and its present settings. */
export interface SessionFacts {
  readonly device: string;
  readonly chip: string;
  /** The XID, as read from the chip. */
  readonly xid: number;
  readonly mac: string;
  readonly interfaceName: string;
  /** Number of descriptors in each ring. */
  readonly ringSlots: number;
  readonly queues: { readonly receive: number; readonly transmit: number };
  /** Offloads in use, by name: "rx-checksum", "tx-checksum", "tso4", "tso6", "vlan-insert", "vlan-strip", "scatter". */
  readonly offloads: readonly string[];
}

/** The cause of an event (see causes.ts), and the number of times that this cause has occurred. */
interface Occurrence {
  readonly cause: CauseName;
  readonly count: number;
}

/** An event in a session's threads. */
export type SessionEvent =
  | { readonly kind: "carrier"; readonly up: boolean; readonly speed: number; readonly fullDuplex: boolean }
  /** The other end of the wire was connected or disconnected. */
  | { readonly kind: "wire"; readonly plugged: boolean; readonly why: string }
  /** The PHY runs with a firmware file, by its name in linux-firmware. */
  | { readonly kind: "firmware"; readonly file: string; readonly version: string }
  /** Quirks of this chip that the driver handles, by their names in chip/quirks.ts and docs/quirks.md. */
  | { readonly kind: "quirks"; readonly names: readonly string[] }
  /** The NIC went to sleep with the wake-up events `armed`, as ethtool writes them. */
  | { readonly kind: "power"; readonly state: "suspended"; readonly armed: string }
  /** The NIC has had no link for a while, and sleeps until it has one. */
  | { readonly kind: "power"; readonly state: "idle" }
  /** The NIC is awake again. `woken`: a wake-up event occurred, or a NIC that slept without a link has a link now. */
  | { readonly kind: "power"; readonly state: "resumed"; readonly woken: boolean }
  /** The interface was renamed. */
  | { readonly kind: "renamed"; readonly name: string }
  | ({ readonly kind: "warning"; readonly message: string; readonly hint: string } & Partial<Occurrence>)
  /** A debug message. */
  | ({ readonly kind: "note"; readonly message: string; readonly hint?: string } & Partial<Occurrence>)
  /** The session ended by itself: an error in a thread, or the device has gone. */
  | { readonly kind: "failed"; readonly error: { code: string; message: string; hint: string } };

export interface Session extends AsyncDisposable {
  readonly facts: SessionFacts;
  /** The interface's present name; users can rename it. */
  readonly interfaceName: string;
  /** Reads all counters. The counters of one thread are consistent with each other. */
  statistics(): Statistics;
  /**
   * Executes an operation of `operations.ts` in the driver's thread.
   * @throws {ThreadFailure} with the error of the operation or of its thread; {TookTooLong}; {Revoked} after `close`
   */
  operate(operation: string, argument: Argument, limitMillis?: number): Promise<object>;
  onEvent(listener: (event: SessionEvent) => void): void;
  /**
   * Resolves once the carrier is up.
   * @throws {Timeout} after `limitMillis`; {ThreadFailure} if a thread failed; {Revoked} after `close`
   */
  carrier(limitMillis: number): Promise<void>;
  /**
   * Takes the NIC down cleanly: stops the rings, ends the threads, and removes the TAPs that are not persistent.
   * @param options with `wake`, the card is left asleep if wake-up events are enabled
   */
  close(options?: { readonly wake: boolean }): Promise<void>;
}
