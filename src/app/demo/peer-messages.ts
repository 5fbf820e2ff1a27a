/** Messages between the demo's main thread and its two peers. */
import { bugTracker } from "../manifest.ts";
import { FerruleError } from "#kit/errors.ts";
import type { PlainError } from "../plain-error.ts";

/** Worker data of a peer: its end of the cable. */
export interface PeerTask {
  /** Descriptor of the peer's network namespace. */
  readonly namespace: number;
  readonly interfaceName: string;
  readonly address: string;
  readonly prefix: number;
}

/** Requests to a peer, and its replies. */
export interface PeerCalls {
  /** Gives the interface its address and waits until it has a carrier. */
  configure: { readonly ask: undefined; readonly answer: undefined };
  /**
   * Sends pings, one after the other. The reply contains the round trip times of the answered ones, in microseconds.
   */
  ping: {
    readonly ask: { readonly address: string; readonly count: number };
    readonly answer: { readonly sent: number; readonly micros: readonly number[] };
  };
  /** Offers content over HTTP, for one download. The reply is the port. */
  offer: {
    readonly ask: { readonly bytes: number; readonly seed: number };
    readonly answer: { readonly port: number };
  };
  /** Waits until all of the offered content has been sent. */
  sent: { readonly ask: undefined; readonly answer: { readonly sha256: string } };
  download: {
    readonly ask: { readonly address: string; readonly port: number; readonly bytes: number };
    readonly answer: { readonly sha256: string; readonly bytes: number; readonly seconds: number };
  };
}
export type CallName = keyof PeerCalls;

export type PeerCall = {
  [K in CallName]: { readonly id: number; readonly name: K; readonly ask: PeerCalls[K]["ask"] };
}[CallName];

export type PeerWord =
  | { readonly kind: "answer"; readonly id: number; readonly value: unknown }
  | { readonly kind: "refusal"; readonly id: number; readonly error: PlainError }
  /** Number of bytes downloaded so far. */
  | { readonly kind: "progress"; readonly bytes: number };

/** A transfer stalled or was interrupted. */
export class TransferFailed extends FerruleError {
  readonly code: "TRANSFER_STALLED" | "TRANSFER_CUT";
  readonly hint = `Run \`ferrule demo\` again with --json, which shows drops and errors; if it happens again, report it: ${bugTracker()}`;
  constructor(code: "TRANSFER_STALLED" | "TRANSFER_CUT", message: string) {
    super(message);
    this.code = code;
  }
}
