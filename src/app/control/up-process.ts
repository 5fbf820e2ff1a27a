/**
 * Finds the process that is the `ferrule up` of an interface name.
 *
 * The control socket of that process is called `ferrule/NAME`, or `ferrule/NAME/NUMBER` if another user has taken that
 * name first. Any user can take an abstract name, because such names have no permissions. The name therefore does not
 * show who listens, but the credentials that the kernel recorded for the listener do.
 */
import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { Timeout } from "#kit/errors.ts";
import { abstractListeners, connectAbstract } from "#sys/abstract-socket.ts";
import type { Fd } from "#sys/fd.ts";
import { type Peer, peerOf } from "#sys/unix-socket.ts";

/** Time limit in milliseconds for retries to connect to one listener whose queue is full. */
const QUEUE_MILLIS = 500;
/** Time limit in milliseconds for all listeners together. */
const SEARCH_MILLIS = 4_000;
const ROOT = 0;

export const plainAddress = (name: string): string => `ferrule/${name}`;
/** The interface's name in an address. */
export const interfaceOf = (address: string): string => address.split("/")[1] ?? "";
/** A new address with a random number. */
export const spareAddress = (name: string): string => `ferrule/${name}/${randomBytes(8).toString("hex")}`;

/** Whether the other end of a connection is trusted: this user, or root. */
export const isTrusted = (peer: Peer | undefined): boolean =>
  peer !== undefined && (peer.uid === ROOT || peer.uid === process.getuid?.());

/**
 * Whether a process has a TAP open, as every `ferrule up` does. This identifies an ordinary user's `ferrule up`,
 * because ordinary users cannot start another program that opens a TAP.
 */
export const holdsTap = (pid: number): boolean => {
  try {
    return readdirSync(`/proc/${pid}/fdinfo`).some((fd) => {
      try {
        return /^iff:\s*\S/m.test(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"));
      } catch {
        // The descriptor was closed meanwhile.
        return false;
      }
    });
  } catch {
    return false;
  }
};

/** A process that listens at one of the name's addresses, and a connection to it. */
export interface UpProcess extends Disposable {
  readonly peer: Peer;
  readonly socket: Fd;
}

export interface SearchResult {
  /** The `ferrule up` of that name, which the caller must dispose. */
  readonly found: UpProcess | undefined;
  /** Other processes that listen at the addresses of that name. */
  readonly others: readonly Peer[];
}

const connect = (address: string): UpProcess | undefined => {
  try {
    const socket = connectAbstract(address, QUEUE_MILLIS);
    if (socket === undefined) return undefined;
    return { socket, peer: peerOf(socket.number), [Symbol.dispose]: () => socket[Symbol.dispose]() };
  } catch (error) {
    // A listener that accepts no connection shows no credentials. It is skipped, so that it does not block the name for
    // others.
    if (error instanceof Timeout) return undefined;
    throw error;
  }
};

const addressesOf = (name: string): readonly string[] => {
  const plain = plainAddress(name);
  return abstractListeners(plain).filter((address) => address === plain || address.startsWith(`${plain}/`));
};

/**
 * Examines all listeners at the name's addresses. Root may control the `ferrule up` of any user. A process of another
 * user is recognised as `ferrule up` by its TAP; root's own process takes precedence.
 * @param except an address that is skipped: the caller's own
 */
export const findUpProcess = (name: string, except?: string): SearchResult => {
  const others: Peer[] = [];
  const end = performance.now() + SEARCH_MILLIS;
  using strangers = new DisposableStack();
  let unprivileged: UpProcess | undefined;
  for (const address of addressesOf(name)) {
    if (performance.now() >= end) break;
    const holder = address === except ? undefined : connect(address);
    if (holder === undefined) continue;
    if (isTrusted(holder.peer)) return { found: holder, others };
    if (unprivileged === undefined && process.getuid?.() === ROOT && holdsTap(holder.peer.pid))
      unprivileged = strangers.use(holder);
    else {
      others.push(holder.peer);
      holder[Symbol.dispose]();
    }
  }
  if (unprivileged !== undefined) strangers.move();
  return { found: unprivileged, others };
};
