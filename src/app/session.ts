/** One NIC brought up: the driver's thread, the model's thread where there is one, and the main thread's hold on both. */
import type { CauseName } from "./causes.ts";
import type { AspmPolicy } from "#driver/aspm.ts";
import type { Statistics } from "./counters.ts";
import type { Argument } from "./argument.ts";
import type { WireSpec } from "./wires/wire-spec.ts";

/** Where the driver's side ends: a TAP interface with offloads. */
export interface HostSpec {
  readonly name: string;
  /** Descriptor of the network namespace it is made in. */
  readonly namespace?: number;
}

/** The NIC in software, in this process. */
export interface ModelSpec {
  readonly kind: "model";
  /** Key of the chip it is: see `ferrule model chips`. */
  readonly chip: string;
  readonly wire: WireSpec;
  /** Permissions of a socket that the wire listens at; the owner's alone unless given. */
  readonly socketMode?: number;
  /** Driver and model in one data-plane thread, or in one each; 1 unless told. */
  readonly threads?: 1 | 2;
  /** pcapng file of what crosses the wire. */
  readonly capture?: string;
}

/** A card in a slot, through VFIO. */
export interface CardSpec {
  readonly kind: "pci";
  /** As the kernel writes it: 0000:03:00.0. */
  readonly address: string;
  /** Use it where no IOMMU keeps it from any memory. */
  readonly unsafeNoIommu: boolean;
}

/** Which device, and how it is reached. */
export type DeviceSpec =
  | ModelSpec
  | CardSpec
  | { readonly kind: "vfio-user"; /** The server's socket. */ readonly path: string };

export interface SessionOptions {
  readonly device: DeviceSpec;
  readonly host: HostSpec;
  /** Bytes of layer 3; 68 to the chip's largest. */
  readonly mtu: number;
  /** Descriptors in each ring: a power of two from 64 to the chip's limit; 256 unless given. */
  readonly rings?: number;
  /** Receive queues, each with a queue of the TAP: a power of two that the chip has; 1 unless given. */
  readonly queues?: number;
  /** A data-plane thread for each queue, instead of one for all; false unless given. Not for a device behind a socket. */
  readonly queueThreads?: boolean;
  /** Whether the chip lets its PCI Express link sleep; `auto` unless given. */
  readonly aspm?: AspmPolicy;
  /** Station address to use; the chip's own unless given, or a random one where it has none. */
  readonly address?: Uint8Array;
  /** What wakes the NIC, as ethtool writes it: "g" is a magic packet. As firmware has set it unless given. */
  readonly wake?: string;
  /** Folder with the firmware files; the system's own folders unless given. */
  readonly firmware?: string;
  /** pcapng file of what crosses the host's side. */
  readonly captureHost?: string;
  /** Seconds without a link after which the NIC sleeps until it has one; never unless given. */
  readonly sleepWithoutLink?: number;
  /** Seconds to wait for a card that does not answer any more; 2 unless given, 0 to end at once. */
  readonly waitForCard?: number;
}

/** What the NIC is, and how it is set at this moment. */
export interface SessionFacts {
  readonly device: string;
  readonly chip: string;
  /** As read from the chip. */
  readonly xid: number;
  readonly mac: string;
  readonly interfaceName: string;
  /** Descriptors in each ring. */
  readonly ringSlots: number;
  readonly queues: { readonly receive: number; readonly transmit: number };
  /** Offloads in use, by name: "rx-checksum", "tx-checksum", "tso4", "tso6", "vlan-insert", "vlan-strip", "scatter". */
  readonly offloads: readonly string[];
}

/** Which of the causes of causes.ts an event is about, and how often it has occurred. */
interface Occurrence {
  readonly cause: CauseName;
  readonly count: number;
}

/** Something that happened in a session's threads. */
export type SessionEvent =
  | { readonly kind: "carrier"; readonly up: boolean; readonly speed: number; readonly fullDuplex: boolean }
  /** Someone took the other end of the wire, or left it. */
  | { readonly kind: "wire"; readonly plugged: boolean; readonly why: string }
  /** The PHY runs with a firmware file, by its name in linux-firmware. */
  | { readonly kind: "firmware"; readonly file: string; readonly version: string }
  /** What the driver does about deviations of this chip: names of chip/quirks.ts and docs/quirks.md. */
  | { readonly kind: "quirks"; readonly names: readonly string[] }
  /** The NIC went to sleep with what was armed, as ethtool writes it; or is as before, woken by that or not. */
  | { readonly kind: "power"; readonly state: "suspended"; readonly armed: string }
  /** It has had no link for a while, and sleeps until it has one. */
  | { readonly kind: "power"; readonly state: "idle" }
  | { readonly kind: "power"; readonly state: "resumed"; readonly woken: boolean }
  /** The interface has another name now. */
  | { readonly kind: "renamed"; readonly name: string }
  | ({ readonly kind: "warning"; readonly message: string; readonly hint: string } & Partial<Occurrence>)
  /** Something that helps to find a fault. */
  | ({ readonly kind: "note"; readonly message: string; readonly hint?: string } & Partial<Occurrence>)
  /** The session ended by itself: an error in a thread, or the device has gone. */
  | { readonly kind: "failed"; readonly error: { code: string; message: string; hint: string } };

export interface Session extends AsyncDisposable {
  readonly facts: SessionFacts;
  /** The interface's name now: it can be renamed. */
  readonly interfaceName: string;
  /** Reads all counters, consistently within each thread. */
  statistics(): Statistics;
  /** Has the driver's thread carry out an operation of `operations.ts`, unless it cannot be begun in time. @throws {ThreadFailure} with its error; {TookTooLong} */
  operate(operation: string, argument: Argument, limitMillis?: number): Promise<object>;
  onEvent(listener: (event: SessionEvent) => void): void;
  /** Resolves once the carrier is up. Rejects with `Timeout` after `limitMillis`. */
  carrier(limitMillis: number): Promise<void>;
  /**
   * Takes the NIC down cleanly: rings stopped, threads ended, TAPs gone.
   * @param options `wake` leaves the card asleep where wake-up is armed
   */
  close(options?: { readonly wake: boolean }): Promise<void>;
}
