/**
 * Copies the settings that users make on the interface (MTU, address, filter) to the NIC, and the link state to the
 * interface. This costs the data path nothing, because the main thread polls the TAP, and sends only changes to the
 * driver's thread.
 */
import { showLink } from "#host/tap-link.ts";
import { TapObserver, type TapState } from "#host/tap-observer.ts";
import { SystemError } from "#sys/errno.ts";
import type { LinkMode } from "#sys/link-settings.ts";
import type { Tap } from "#sys/tap.ts";
import { type PlainError, plainError } from "./plain-error.ts";
import type { FollowCommand } from "./session-messages.ts";
import type { SessionEvent } from "./session.ts";

/**
 * Shortest polling interval in milliseconds. A change usually takes effect within this time. The interval is longer if
 * a poll takes long: see SHARE.
 */
const POLL_MILLIS = 50;
/**
 * The inverse of the largest share of time that polling may take. Without a limit this share could be large, because
 * each poll reads the multicast groups of all interfaces in the namespace, of which there may be thousands.
 */
const SHARE = 20;

export class Follower implements Disposable {
  readonly #tap: Tap;
  readonly #observer: TapObserver;
  readonly #send: (command: FollowCommand) => void;
  readonly #report: (event: SessionEvent) => void;
  #timer: NodeJS.Timeout | undefined;
  #last = "";
  #name: string;
  #reported: string;
  #visible = true;
  #ended = false;

  /** Takes ownership of `tap`, which must not be the descriptor of the data path. */
  constructor(parts: { tap: Tap; send: (command: FollowCommand) => void; report: (event: SessionEvent) => void }) {
    this.#tap = parts.tap;
    this.#observer = new TapObserver(parts.tap);
    this.#send = parts.send;
    this.#report = parts.report;
    this.#name = this.#reported = parts.tap.name;
    // The interface shows no link until the driver reports one. Without this call, a TAP would report 10 Gbit/s.
    this.carrier({ up: false, speed: 0, fullDuplex: false });
    this.#poll();
  }

  /** The interface's present name, or the last one if it was deleted. */
  get name(): string {
    this.#attempt(() => (this.#name = this.#tap.currentName()));
    return this.#name;
  }

  /** Shows a changed link state on the interface. */
  carrier(link: LinkMode): void {
    if (!this.#ended) showLink(this.#tap, link);
  }

  /**
   * Reports that the chip rejected the interface's MTU, and sets the interface's MTU back to `mtu`, which the chip
   * uses. If this user may not do that, a second warning is reported.
   */
  refuse(mtu: number, error: PlainError): void {
    this.#warn(error);
    this.#attempt(
      () => this.#tap.withInterfaces((interfaces, name) => interfaces.setMtu(name, mtu)),
      (why) => this.#warn(plainError(why)),
    );
  }

  /** Ends polling. After that, link states are no longer shown. */
  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#observer[Symbol.dispose]();
    this.#tap[Symbol.dispose]();
  }

  #poll(): void {
    const start = performance.now();
    this.#attempt(() => this.#compare(this.#observer.read()));
    if (this.#ended) return;
    const took = performance.now() - start;
    this.#timer = setTimeout(() => this.#poll(), Math.max(POLL_MILLIS, took * SHARE));
  }

  #compare(state: TapState): void {
    const { name, visible, mtu, address, promiscuous, groups } = state;
    if (name !== this.#reported) this.#report({ kind: "renamed", name });
    this.#reported = name;
    if (!visible && this.#visible) this.#warn(NOT_VISIBLE);
    this.#visible = visible;
    const command: FollowCommand = { command: "follow", mtu, address, filter: { promiscuous, groups } };
    const now = JSON.stringify(command);
    if (now === this.#last) return;
    this.#last = now;
    this.#send(command);
  }

  #warn({ message, hint }: Pick<PlainError, "message" | "hint">): void {
    this.#report({ kind: "warning", message, hint });
  }

  /**
   * Runs `act`, and ignores an error of the system unless `failed` handles it. `act` may fail while an interface is
   * deleted, moved or renamed; the next poll, or the data path, detects that change.
   */
  #attempt(act: () => void, failed: (error: SystemError) => void = () => {}): void {
    if (this.#ended) return;
    try {
      act();
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      failed(error);
    }
  }
}

const NOT_VISIBLE = {
  message: "the interface is in a network namespace that this process may not enter",
  hint: "Changes of its MTU, groups and promiscuous mode are not seen there. Run `ferrule up` as root.",
};
