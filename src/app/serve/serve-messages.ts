/** Messages between the main thread and a server's thread. */
import type { InterruptKind } from "#chip/pci-function.ts";
import type { Medium } from "#model/phy/medium.ts";
import type { Strictness } from "#model/observation/strict.ts";
import type { TraceFormat } from "#model/observation/trace.ts";
import type { PlainError } from "../plain-error.ts";
import type { WireSpec } from "../wires/wire-spec.ts";
import type { ServeRequest } from "./requests.ts";

/** Worker data. */
export interface ServeTask {
  readonly chip: string;
  readonly mac: string;
  /** Path of the device's socket. */
  readonly socket: string;
  /** Permissions of the device's socket and of a socket on which the wire listens; default: owner only. */
  readonly socketMode?: number | undefined;
  readonly wire: WireSpec;
  readonly capture: string | undefined;
  readonly trace: { readonly path: string; readonly format: TraceFormat } | undefined;
  readonly strict: Strictness;
  readonly interrupts?: InterruptKind | undefined;
  readonly medium?: Medium | undefined;
  /** Whether each client finds the NIC in the state in which the previous client left it. */
  readonly keepsState?: boolean | undefined;
  readonly statistics: SharedArrayBuffer;
  /** The eventfd that signals a message. */
  readonly control: number;
}

export type ServeCommand =
  | { readonly command: "close" }
  | { readonly command: "request"; readonly id: number; readonly request: ServeRequest };

/** An offence as it is shown; its register trace uses the names of the datasheet. */
export interface OffenceReport {
  readonly name: string;
  readonly because: string;
  readonly hardware: string;
  readonly where: number;
  readonly trace: readonly string[];
}

export type ServeEvent =
  | { readonly kind: "client"; readonly client: number; readonly connected: true }
  | { readonly kind: "client"; readonly client: number; readonly connected: false; readonly why: string }
  | { readonly kind: "offence"; readonly client: number; readonly offence: OffenceReport }
  | { readonly kind: "link"; readonly up: boolean; readonly speed: number; readonly fullDuplex: boolean }
  /** The other end of the wire was connected or disconnected. */
  | { readonly kind: "wire"; readonly plugged: boolean; readonly why: string }
  /** The NIC left the bus, or is back on it. */
  | { readonly kind: "bus"; readonly client: number; readonly answers: boolean }
  /** The device requests a wake-up of the system: PME. */
  | { readonly kind: "wake"; readonly client: number }
  | { readonly kind: "warning"; readonly message: string; readonly hint: string }
  | { readonly kind: "failed"; readonly error: PlainError };

export type ServeReport =
  | { readonly report: "ready" }
  | { readonly report: "event"; readonly event: ServeEvent }
  /**
   * A descriptor that the client sent, to be closed outside the server's thread. The client has chosen the file, so
   * closing it may block.
   */
  | { readonly report: "close"; readonly fd: number }
  | { readonly report: "reply"; readonly id: number; readonly value?: object; readonly error?: PlainError };
