/** Applies the MTU, address and filter that users set on the interface to the NIC. */
import type { Nic } from "#driver/rtl8169.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import type { Tap } from "#sys/tap.ts";
import { formatMac } from "#wire/mac.ts";
import { plainError } from "./plain-error.ts";
import type { FollowCommand, Report } from "./session-messages.ts";
import { isFinal } from "./recovery.ts";

/**
 * Sets the interface's MTU to `mtu`, and returns the MTU that the NIC must use. This is `mtu`, unless the interface was
 * prepared by an administrator and this user may not set its MTU. The NIC then uses the MTU that the interface has.
 */
export const syncMtu = (tap: Tap, mtu: number, report: (report: Report) => void): number =>
  tap.withInterfaces((interfaces, name) => {
    const theirs = interfaces.mtu(name);
    if (theirs === mtu) return mtu;
    try {
      interfaces.setMtu(name, mtu);
      return mtu;
    } catch (error) {
      if (!(error instanceof SystemError && error.errno === Errno.EPERM)) throw error;
      const message = `the MTU of ${name} stays ${theirs}: this user may not set it to ${mtu}`;
      const hint = `Set it before the start: \`sudo ip link set ${name} mtu ${mtu}\`.`;
      report({ report: "event", event: { kind: "warning", message, hint } });
      return theirs;
    }
  });

export class InterfaceSettings {
  readonly #nic: Nic;
  readonly #changeMtu: (mtu: number) => void;
  readonly #report: (report: Report) => void;
  /** The MTU of the interface that the NIC has rejected. It is not tried again until the interface's MTU changes. */
  #refusedMtu: number | undefined;
  /** The filter that was reported last; initially the filter of a new NIC. */
  #filter = "all groups";

  /** @param parts.changeMtu throws if the NIC rejects the MTU */
  constructor(parts: { nic: Nic; changeMtu: (mtu: number) => void; report: (report: Report) => void }) {
    this.#nic = parts.nic;
    this.#changeMtu = parts.changeMtu;
    this.#report = parts.report;
  }

  /**
   * Applies the settings that users have changed on the interface.
   * @throws {DeviceGone} {NicGivenUp}, and timeouts of registers
   */
  apply({ mtu, address, filter }: FollowCommand): void {
    const nic = this.#nic;
    const { address: ours } = nic;
    if (!address.every((byte, i) => byte === ours[i])) {
      nic.address = address;
      this.#note(`the NIC's address is now ${formatMac(address)}`);
    }
    nic.filter = filter;
    this.#noteFilter(filter);
    if (mtu === nic.mtu) this.#refusedMtu = undefined;
    if (mtu === undefined || mtu === nic.mtu || mtu === this.#refusedMtu) return;
    try {
      this.#changeMtu(mtu);
    } catch (error) {
      if (isFinal(error)) throw error;
      this.#refusedMtu = mtu;
      this.#report({ report: "mtuRefused", mtu: nic.mtu, error: plainError(error) });
      return;
    }
    this.#note(`the NIC's MTU is ${mtu} now`);
  }

  #noteFilter({ promiscuous, groups }: FollowCommand["filter"]): void {
    const wanted = groups === "all" ? "all groups" : `${groups.length} ${groups.length === 1 ? "group" : "groups"}`;
    const filter = promiscuous ? "all frames" : wanted;
    if (filter !== this.#filter) this.#note(`the NIC's filter now passes ${filter}`);
    this.#filter = filter;
  }

  #note(message: string): void {
    this.#report({ report: "event", event: { kind: "note", message } });
  }
}
