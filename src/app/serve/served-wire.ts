/** The far end of a served NIC's wire, whatever it is, as the server's thread drives it. */
import { CaptureFile, captured } from "#host/capture.ts";
import { Responder } from "#host/responder.ts";
import { showLink } from "#host/tap-link.ts";
import { TapWire } from "#host/tap-wire.ts";
import { DatagramWire } from "#host/wire-datagram.ts";
import { loadReplay } from "#host/replay-file.ts";
import { SILENCE } from "#host/replay.ts";
import { ReplayWire } from "#host/wire-replay.ts";
import type { WireTap } from "#host/wire-tap.ts";
import type { Clock } from "#kit/clock.ts";
import type { Port } from "#kit/port.ts";
import { Poll } from "#sys/poll.ts";
import type { Link } from "#sys/link-settings.ts";
import { Tap } from "#sys/tap.ts";
import { UnixDatagram } from "#sys/unix-datagram.ts";
import { socketAddress } from "#sys/unix-path.ts";
import { openStreamEnd } from "./stream-end.ts";
import type { ServedWireSpec } from "./wire-spec.ts";

export interface ServedWire {
  readonly port: Port;
  /** For poll(2), and what to wait for there; -1 while there is nothing. May change with every `pump`. */
  readonly fd: number;
  readonly events: number;
  /** When it has something to do without being woken, by the clock; `Infinity` for never. */
  readonly due: number;
  /** Frames wait because the NIC has no room: there is no use in being told of more. */
  readonly pending: boolean;
  /** Someone holds the other end of the cable. */
  readonly plugged: boolean;
  /** The NIC's link is up, or is not: the far end sees the same cable. */
  setLink(link: Link): void;
  /** Delivers waiting frames to the NIC; returns how many. */
  pump(budget: number): number;
  /** Frames lost between the cable and whoever is at its end, either way. */
  drops(): number;
}

export interface WireParts {
  readonly clock: Clock;
  /** Permissions of a socket's file that the wire listens at. */
  readonly socketMode?: number | undefined;
  /** Bytes of the longest frame the NIC takes, without FCS. */
  readonly longestFrame: number;
  /** Sees every frame as it is on the wire. */
  readonly capture: CaptureFile | undefined;
  /** Someone took, or left, the other end of the cable. */
  readonly onPlug: (plugged: boolean, why: string) => void;
  /** What could not be done, and goes on not being done. */
  readonly onTrouble: (error: Error) => void;
}

const ALWAYS = { due: Infinity, plugged: true, setLink: (): void => {} } as const;
const RETRY_MICROS = 500_000;

/** Opens the far end on `scope`. @throws what opening it throws */
export const openServedWire = (scope: DisposableStack, spec: ServedWireSpec, parts: WireParts): ServedWire => {
  switch (spec.kind) {
    case "responder":
      return responderEnd(parts);
    case "tap":
      return tapEnd(scope, spec.name, parts);
    case "pcap":
      return replayEnd(scope, spec, parts);
    case "stream":
      return openStreamEnd(scope, spec, parts);
    case "datagram":
      return datagramEnd(scope, spec, parts);
    default:
      return spec satisfies never;
  }
};

const responderEnd = ({ capture }: WireParts): ServedWire => {
  const responder = new Responder();
  return {
    ...ALWAYS,
    port: capture === undefined ? responder : captured(responder, capture),
    fd: -1,
    events: 0,
    pending: false,
    pump: () => responder.poll(),
    // A frame that it refuses is not lost: the NIC keeps it and tries again.
    drops: () => 0,
  };
};

const tapEnd = (scope: DisposableStack, name: string, { capture }: WireParts): ServedWire => {
  const tap = scope.use(Tap.open(name, { vnetHeader: true }));
  const port = new TapWire({ tap, capture });
  return {
    ...ALWAYS,
    port,
    fd: tap.number,
    events: Poll.readable,
    get pending() {
      return port.pending > 0;
    },
    setLink: (link) => {
      tap.setCarrier(link.up);
      showLink(tap, link);
    },
    pump: (budget) => port.pump(budget),
    drops: () => port.counters.drops,
  };
};

const replayEnd = (
  scope: DisposableStack,
  spec: ServedWireSpec & { kind: "pcap" },
  { clock, capture, longestFrame, onTrouble }: WireParts,
): ServedWire => {
  const { file, record, rate, loop } = spec;
  const recorded =
    record === undefined ? undefined : scope.use(new CaptureFile(record, { interfaces: ["sent"], onError: onTrouble }));
  const both: WireTap = {
    frame: (bytes, offset, length, outgoing) => {
      capture?.frame(bytes, offset, length, outgoing);
      if (outgoing) recorded?.frame(bytes, offset, length, true);
    },
  };
  const replay = file === undefined ? SILENCE : loadReplay(file, longestFrame, onTrouble);
  const port = new ReplayWire({ replay, clock, rate, loop, capture: both });
  return {
    ...ALWAYS,
    port,
    fd: -1,
    events: 0,
    get due() {
      return port.due;
    },
    get pending() {
      return port.pending;
    },
    pump: (budget) => port.pump(budget),
    drops: () => port.delivery.drops,
  };
};

const datagramEnd = (
  scope: DisposableStack,
  { path, peer }: ServedWireSpec & { kind: "datagram" },
  { clock, socketMode, capture, onPlug }: WireParts,
): ServedWire => {
  // What can never be connected to is said now.
  socketAddress(peer);
  const socket = scope.use(UnixDatagram.bind(path, socketMode));
  const port = new DatagramWire({ socket, peer, capture, onChange: onPlug });
  let retryAt = 0;
  return {
    port,
    events: Poll.readable,
    setLink: () => {},
    get fd() {
      return port.fd;
    },
    get due() {
      return port.connected ? Infinity : retryAt;
    },
    get pending() {
      return port.pending;
    },
    get plugged() {
      return port.connected;
    },
    pump: (budget) => {
      if (!port.connected && clock.now() >= retryAt && !port.connect()) retryAt = clock.now() + RETRY_MICROS;
      return port.pump(budget);
    },
    drops: () => port.delivery.drops,
  };
};
