/** The types of requests to a served device, which come from `ferrule model ctl` and from tests. */
import type { Direction, ImpairmentName, LaneTotals } from "#host/impaired-lane.ts";
import type { CounterName } from "#model/frames/counters.ts";
import type { PartnerAbilities } from "#model/phy/link-partner.ts";
import type { WireTraffic } from "../wires/far-end.ts";

export type ServeRequest =
  | { readonly command: "show" }
  /** Reads the contents of all register spaces; the reply is a `ModelState`. */
  | { readonly command: "state" }
  /** Plugs the cable in, or unplugs it. */
  | { readonly command: "link"; readonly up: boolean }
  /** Changes the link partner. */
  | { readonly command: "partner"; readonly abilities: PartnerAbilities }
  /**
   * Enables an impairment of the wire. Without a probability it applies to all frames; without a count it lasts until
   * it is cleared.
   */
  | {
      readonly command: "wire";
      readonly name: ImpairmentName;
      readonly directions: readonly Direction[];
      readonly probability?: number;
      readonly count?: number;
      readonly micros?: number;
    }
  | { readonly command: "clearWire"; readonly directions: readonly Direction[] }
  | { readonly command: "seed"; readonly seed: number }
  /** Arms a fault of the device. */
  | { readonly command: "fault"; readonly name: string; readonly count?: number }
  | { readonly command: "clearFault"; readonly name?: string }
  /** Delivers a frame to the NIC, given as hexadecimal digits without FCS. */
  | { readonly command: "send"; readonly frame: string }
  /** Delivers a magic packet for the NIC's own address. */
  | { readonly command: "magic" }
  /** Resets the bus, as a guest's firmware does. */
  | { readonly command: "reset" }
  /** Switches the NIC's power off and on. */
  | { readonly command: "power" }
  /** Asks the client to release the device, as the attention button of a slot does. */
  | { readonly command: "unplug" }
  /** Ends the client's connection. */
  | { readonly command: "disconnect" };

/** Requests to the server: the requests to its device, and the request to stop. */
export type ControlRequest = ServeRequest | { readonly command: "stop" };

export interface ServeTraffic extends WireTraffic {
  /**
   * Number of frames that the NIC did not accept, because its receiver was off or had no descriptor, or because they
   * were not addressed to it.
   */
  readonly refused: number;
}

/** State of one direction of the wire. */
export interface WireState extends LaneTotals {
  readonly armed: object;
  /** Number of frames affected by each impairment. */
  readonly struck: Readonly<Record<string, number>>;
}

/** Output of `show`. */
export interface ServeState {
  readonly chip: string;
  readonly mac: string;
  /** The number of the connected client; 0 if there is none. */
  readonly client: number;
  /** Number of clients so far. */
  readonly clients: number;
  /** Whether the NIC responds on its bus. */
  readonly answers: boolean;
  /** Number of clients disconnected because of errors. */
  readonly clientFaults: number;
  /** Number of clients rejected because the device was in use. */
  readonly clientsTurnedAway: number;
  readonly cable: boolean;
  readonly plugged: boolean;
  readonly link: {
    readonly up: boolean;
    readonly speed: number;
    readonly fullDuplex: boolean;
    readonly receivePause: boolean;
    readonly transmitPause: boolean;
  };
  /** Power state: 0 to 3 for D0 to D3hot. */
  readonly powerState: number;
  /** The chip's own counters. */
  readonly counters: Readonly<Record<CounterName, number>>;
  /**
   * Traffic from the NIC's point of view. `drops` includes frames lost on the wire and at its far end, in both
   * directions.
   */
  readonly traffic: ServeTraffic;
  /** Number of offences of each kind that occurred. */
  readonly offences: Readonly<Record<string, number>>;
  readonly wire: Readonly<Record<Direction, WireState>>;
  readonly faults: readonly { readonly name: string; readonly left: number | null; readonly struck: number }[];
}

/** Smallest size of a frame that can be sent to the NIC, in bytes without FCS. */
export const MIN_FRAME = 14;
/** Largest size of a frame that can be sent to the NIC, in bytes without FCS. */
const MAX_FRAME = 16 << 10;
export const FRAME_HINT = `Give ${MIN_FRAME} to ${MAX_FRAME} bytes as hexadecimal digits, without FCS.`;

/** Whether the text is the hexadecimal digits of a whole frame. */
export const isFrame = (digits: string): boolean =>
  digits.length >= 2 * MIN_FRAME && digits.length <= 2 * MAX_FRAME && /^([0-9a-f]{2})*$/i.test(digits);
