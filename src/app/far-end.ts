/** The far end of the wire, whatever it is, as the model's thread sees it. */
import { CaptureFile, captured } from "#host/capture.ts";
import { Responder } from "#host/responder.ts";
import { TapWire } from "#host/tap-wire.ts";
import type { Port } from "#kit/port.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import type { WireSpec } from "./session.ts";

/** Frames and bytes as they crossed the wire, and frames lost on it. */
export interface WireTraffic {
  readonly sentFrames: number;
  readonly sentBytes: number;
  readonly receivedFrames: number;
  readonly receivedBytes: number;
  readonly drops: number;
}

export interface FarEnd {
  /** What the NIC is plugged into. */
  readonly port: Port;
  /** For poll(2): frames wait. Undefined where frames come only in answer to others. */
  readonly fd: number | undefined;
  /** Delivers waiting frames to the NIC; returns how many. */
  pump(budget: number): number;
  /** Frames that wait because the NIC has no room. */
  pending(): number;
  traffic(): WireTraffic;
  /** Writes out what the capture holds back. */
  flush(): void;
}

/** Opens the far end on `scope`. `onCaptureError` is told once, when a capture fails; traffic goes on. */
export const openFarEnd = (
  scope: DisposableStack,
  wire: WireSpec,
  options: { mtu: number; capture: string | undefined; onCaptureError: (error: Error) => void },
): FarEnd => {
  const { mtu, capture: path, onCaptureError } = options;
  const capture =
    path === undefined
      ? undefined
      : scope.use(new CaptureFile(path, { interfaces: ["wire"], onError: onCaptureError }));
  const flush = (): void => capture?.flush();
  if (wire.kind === "responder") {
    const responder = new Responder();
    return { ...responderEnd(responder, capture), flush };
  }
  if (wire.namespace !== undefined) NetworkNamespace.fromFd(wire.namespace).enter();
  const tap = scope.use(Tap.open(wire.name, { vnetHeader: true }));
  tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, mtu));
  const port = new TapWire({ tap, capture });
  return {
    port,
    fd: tap.number,
    pump: (budget) => port.pump(budget),
    pending: () => port.pending,
    traffic: () => port.counters,
    flush,
  };
};

/** The responder delivers its answers when polled; what it counts are frames only, so bytes are counted here. */
const responderEnd = (responder: Responder, capture: CaptureFile | undefined): Omit<FarEnd, "flush"> => {
  const traffic = { sentFrames: 0, sentBytes: 0, receivedFrames: 0, receivedBytes: 0 };
  const inner = capture === undefined ? responder : captured(responder, capture);
  const port: Port = {
    bytes: inner.bytes,
    reserve: (length) => inner.reserve(length),
    commit: (length) => {
      traffic.sentFrames++;
      traffic.sentBytes += length;
      inner.commit(length);
    },
    flush: () => inner.flush(),
    plug: (nic) =>
      inner.plug({
        receive: (bytes, offset, length) => {
          traffic.receivedFrames++;
          traffic.receivedBytes += length;
          return nic.receive(bytes, offset, length);
        },
      }),
  };
  return {
    port,
    fd: undefined,
    pump: () => responder.poll(),
    pending: () => 0,
    traffic: () => ({ ...traffic, drops: responder.counts.dropped + responder.counts.refused }),
  };
};
