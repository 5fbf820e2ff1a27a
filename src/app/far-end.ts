/** The far end of the wire, whatever it is, as the model's thread sees it. */
import { CaptureFile, captured } from "#host/capture.ts";
import { Responder } from "#host/responder.ts";
import { showLink } from "#host/tap-link.ts";
import { TapWire } from "#host/tap-wire.ts";
import type { Port } from "#kit/port.ts";
import type { Link } from "#sys/link-settings.ts";
import { NetworkNamespace } from "#sys/namespace.ts";
import { Tap } from "#sys/tap.ts";
import type { Memory } from "#wire/memory.ts";
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
  /** The NIC's link is up, or is not: the far end sees the same cable. */
  setLink(link: Link): void;
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
  options: {
    mtu: number;
    /** Memory that frames may be staged in, from byte `staging` on. */
    memory: Memory;
    staging: number;
    capture: string | undefined;
    onCaptureError: (error: Error) => void;
  },
): FarEnd => {
  const { mtu, memory, staging, capture: path, onCaptureError } = options;
  const capture =
    path === undefined
      ? undefined
      : scope.use(new CaptureFile(path, { interfaces: ["wire"], onError: onCaptureError }));
  const flush = (): void => capture?.flush();
  if (wire.kind === "responder") {
    const responder = new Responder();
    return {
      port: capture === undefined ? responder : captured(responder, capture),
      fd: undefined,
      setLink: () => {},
      pump: () => responder.poll(),
      pending: () => 0,
      // A frame it refuses is not lost: the NIC keeps it and tries again.
      traffic: () => ({ ...responder.counts, drops: responder.counts.dropped }),
      flush,
    };
  }
  if (wire.namespace !== undefined) NetworkNamespace.fromFd(wire.namespace).enter();
  const tap = scope.use(Tap.open(wire.name, { vnetHeader: true }));
  tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, mtu));
  const port = new TapWire({ tap, capture, memory, staging });
  return {
    port,
    fd: tap.number,
    setLink: (link) => {
      tap.setCarrier(link.up);
      showLink(tap, link);
    },
    pump: (budget) => port.pump(budget),
    pending: () => port.pending,
    traffic: () => port.counters,
    flush,
  };
};
