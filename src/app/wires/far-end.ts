/** Opens the far end of a model's wire, of any kind, for a data-plane thread. */
import { CaptureFile, captured } from "#host/capture.ts";
import { loadReplay } from "#host/replay-file.ts";
import { EMPTY_REPLAY } from "#host/replay.ts";
import { Responder } from "#host/responder.ts";
import { showLink } from "#host/tap-link.ts";
import { TapWire } from "#host/tap-wire.ts";
import { DatagramWire } from "#host/wire-datagram.ts";
import { ReplayWire } from "#host/wire-replay.ts";
import type { FrameObserver } from "#host/frame-observer.ts";
import type { Clock } from "#kit/clock.ts";
import type { Port } from "#kit/port.ts";
import type { LinkMode } from "#sys/link-settings.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Poll } from "#sys/poll.ts";
import { Tap } from "#sys/tap.ts";
import { UnixDatagram } from "#sys/unix-datagram.ts";
import { socketAddress } from "#sys/unix-path.ts";
import type { Memory } from "#wire/memory.ts";
import { openStreamEnd } from "./stream-end.ts";
import type { WireSpec } from "./wire-spec.ts";

/** Numbers of frames and bytes on the wire, sent and received from the NIC's point of view. */
export interface WireTraffic {
  readonly sentFrames: number;
  readonly sentBytes: number;
  readonly receivedFrames: number;
  readonly receivedBytes: number;
  /** Number of frames lost between the NIC and the far end, in either direction. */
  readonly drops: number;
}

export interface FarEnd {
  /** The port into which the NIC is plugged. */
  readonly port: Port;
  /** The descriptor for poll(2); -1 if there is none. It may change with every `pump`. */
  readonly fd: number;
  /** The events for which poll(2) must wait at `fd`. They may change with every `pump`. */
  readonly events: number;
  /** The time at which work is due that no descriptor signals; `Infinity` if there is none. */
  readonly due: number;
  /** Whether frames wait because the NIC has no room. While they do, poll(2) need not report more. */
  readonly pending: boolean;
  /** Whether the other end of the cable is connected. */
  readonly plugged: boolean;
  /** Passes the state of the NIC's link to the far end. */
  setLink(link: LinkMode): void;
  /** Delivers waiting frames to the NIC, and returns the number of frames. */
  pump(budget: number): number;
  traffic(): WireTraffic;
}

export interface FarEndParts {
  readonly clock: Clock;
  /** Permissions of a socket on which the wire listens; default: owner only. */
  readonly socketMode?: number | undefined;
  /** Length in bytes of the longest frame that the NIC accepts, without FCS. */
  readonly longestFrame: number;
  /** MTU of a TAP at the far end; default: the kernel's. */
  readonly mtu?: number | undefined;
  /** Memory for a TAP's frames; default: separate memory. */
  readonly memory?: Memory;
  /** Offset in `memory` of the first byte for frames. */
  readonly staging?: number;
  /** The capture to which every frame on the wire is written. */
  readonly capture: CaptureFile | undefined;
  /** Called when the other end of the cable was connected or disconnected. */
  readonly onPlug: (plugged: boolean, why: string) => void;
  /** Called for a failure that is permanent but does not stop the traffic. */
  readonly onError: (error: Error) => void;
}

const ALWAYS = { due: Infinity, plugged: true, setLink: (): void => {} } as const;
const RETRY_MICROS = 500_000;

/**
 * Opens the far end, which `scope` will close.
 * @throws the errors of opening a TAP, a socket or a file
 */
export const openFarEnd = (scope: DisposableStack, spec: WireSpec, parts: FarEndParts): FarEnd => {
  switch (spec.kind) {
    case "responder":
      return responderEnd(parts);
    case "tap":
      return tapEnd(scope, spec, parts);
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

const responderEnd = ({ capture }: FarEndParts): FarEnd => {
  const responder = new Responder();
  return {
    ...ALWAYS,
    port: capture === undefined ? responder : captured(responder, capture),
    fd: -1,
    events: 0,
    pending: false,
    pump: () => responder.poll(),
    // The chip itself counts losses here: a frame that the responder rejects at every attempt as txAborted, and a reply
    // for which there is no descriptor as rxMissed.
    traffic: () => ({ ...responder.counts, drops: 0 }),
  };
};

const tapEnd = (scope: DisposableStack, spec: WireSpec & { kind: "tap" }, parts: FarEndParts): FarEnd => {
  const { mtu, capture, memory, staging } = parts;
  if (spec.namespace !== undefined) NetworkNamespace.fromFd(spec.namespace).enter();
  const tap = scope.use(Tap.open(spec.name, { vnetHeader: true }));
  if (mtu !== undefined) tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, mtu));
  const port = new TapWire({ tap, capture, ...(memory && { memory }), ...(staging !== undefined && { staging }) });
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
    traffic: () => port.counters,
  };
};

const replayEnd = (
  scope: DisposableStack,
  spec: WireSpec & { kind: "pcap" },
  { clock, capture, longestFrame, onError }: FarEndParts,
): FarEnd => {
  const { file, record, rate, loop } = spec;
  const recorded =
    record === undefined ? undefined : scope.use(new CaptureFile(record, { interfaces: ["sent"], onError }));
  const both: FrameObserver = {
    frame: (bytes, offset, length, outgoing) => {
      capture?.frame(bytes, offset, length, outgoing);
      if (outgoing) recorded?.frame(bytes, offset, length, true);
    },
  };
  const replay = file === undefined ? EMPTY_REPLAY : loadReplay(file, longestFrame, onError);
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
    traffic: () => port.delivery.traffic(),
  };
};

const datagramEnd = (
  scope: DisposableStack,
  { path, peer }: WireSpec & { kind: "datagram" },
  { clock, socketMode, capture, onPlug }: FarEndParts,
): FarEnd => {
  // This fails at once if the path is too long for a socket address.
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
    traffic: () => port.delivery.traffic(),
  };
};
