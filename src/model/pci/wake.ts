/** Wake-up: magic packets, frames to this station, link up. */
import type { Chip } from "#chip/chips.ts";
import {
  Conf1,
  Conf2,
  Conf3,
  Conf5,
  Config1,
  Config2,
  Config3,
  Config5,
  IDR0,
  MISC,
  Misc,
  RxConf,
  RxConfig,
} from "#chip/registers.ts";
import { ERI_MAGIC, OCP_MAGIC } from "#chip/wake.ts";
import { ETHERNET_BYTES } from "#wire/ethernet.ts";
import { MAC_BYTES } from "#wire/mac.ts";
import type { Page } from "../registers/page.ts";

export interface WakeParts {
  readonly chip: Chip;
  readonly page: Page;
  /** Functions that read a MAC-OCP register and an extended register. */
  readonly macOcp: (address: number) => number;
  readonly extended: (address: number) => number;
  /** Called when a wake-up event occurred. */
  readonly wake: () => void;
}

/** A magic packet contains six bytes of ones, then the station address sixteen times. */
const SYNC_BYTES = 6;
const REPEATS = 16;
const MAGIC_BYTES = SYNC_BYTES + REPEATS * MAC_BYTES;

type Kind = "mine" | "broadcast" | "multicast" | "stranger";

/**
 * Checks frames and link changes while the chip is in D1 to D3hot. Before that, the driver has enabled wake-up events
 * in Config3 and Config5, and magic packets in a register that depends on the chip. From the 8168D on, a frame must
 * first pass the receive filter, and from the 8168G on also the receive gate, so drivers open them. On older chips
 * frames wake the NIC even if the driver has left the filter empty. The model does not apply the multicast hash here.
 */
export class WakeFilter {
  readonly #parts: WakeParts;

  constructor(parts: WakeParts) {
    this.#parts = parts;
  }

  /** Called when a frame arrived; it is passed without its FCS. */
  frame(bytes: Uint8Array, offset: number, length: number): void {
    if (length < ETHERNET_BYTES || !this.#signals()) return;
    const kind = this.#kindOf(bytes, offset);
    if (!this.#passes(kind)) return;
    const asked = this.#parts.page.get(Config5, 1);
    const bit = {
      mine: Conf5.unicastWake,
      broadcast: Conf5.broadcastWake,
      multicast: Conf5.multicastWake,
      stranger: 0,
    };
    if ((asked & bit[kind]) !== 0 || (this.#isMagicEnabled() && this.#isMagic(bytes, offset, length)))
      this.#parts.wake();
  }

  /**
   * Called when the link went up or down; only going up is a wake-up event. From the 8125 on, drivers also write
   * MAC-OCP register 0xe0c6, but its bits do not enable wake-up by link: Realtek's driver (r8125) leaves some of them
   * set when wake-up by link is off, and Linux before 2026 never writes the register. No source says what they mean.
   */
  linkChanged(up: boolean): void {
    const { page, wake } = this.#parts;
    if (up && (page.get(Config3, 1) & Conf3.linkUp) !== 0 && this.#signals()) wake();
  }

  #signals(): boolean {
    const { chip, page } = this.#parts;
    const { signal } = chip.profile.wake;
    if (signal === "config1") return (page.get(Config1, 1) & Conf1.powerManagement) !== 0;
    return signal === "none" || (page.get(Config2, 1) & Conf2.pmeSignal) !== 0;
  }

  #isMagicEnabled(): boolean {
    const { chip, page, macOcp, extended } = this.#parts;
    const { magic } = chip.profile.wake;
    if (magic === "ocp") return (macOcp(OCP_MAGIC.address) & OCP_MAGIC.bit) !== 0;
    if (magic === "eri") return (extended(ERI_MAGIC.address) & ERI_MAGIC.bit) !== 0;
    return (page.get(Config3, 1) & Conf3.magicPacket) !== 0;
  }

  #passes(kind: Kind): boolean {
    const { chip, page } = this.#parts;
    const { passes } = chip.profile.wake;
    if (passes === "address") return kind !== "stranger";
    if (passes === "gate" && (page.get(MISC, 4) & Misc.receiveGate) !== 0) return false;
    const accept = page.get(RxConfig, 4);
    if ((accept & RxConf.acceptAll) !== 0) return true;
    if (kind === "mine") return (accept & RxConf.acceptPhysical) !== 0;
    if (kind === "broadcast") return (accept & RxConf.acceptBroadcast) !== 0;
    return kind === "multicast" && (accept & RxConf.acceptMulticast) !== 0;
  }

  #kindOf(bytes: Uint8Array, offset: number): Kind {
    if ((bytes[offset]! & 1) === 0) return this.#isStation(bytes, offset) ? "mine" : "stranger";
    for (let i = 0; i < MAC_BYTES; i++) if (bytes[offset + i] !== 0xff) return "multicast";
    return "broadcast";
  }

  #isStation(bytes: Uint8Array, at: number): boolean {
    for (let i = 0; i < MAC_BYTES; i++) if (bytes[at + i] !== this.#parts.page.get(IDR0 + i, 1)) return false;
    return true;
  }

  /** Whether the frame contains the pattern anywhere after its addresses. */
  #isMagic(bytes: Uint8Array, offset: number, length: number): boolean {
    const last = offset + length - MAGIC_BYTES;
    let ones = 0;
    for (let at = offset + 2 * MAC_BYTES; at < last + SYNC_BYTES; at++) {
      ones = bytes[at] === 0xff ? ones + 1 : 0;
      if (ones >= SYNC_BYTES && this.#repeats(bytes, at + 1)) return true;
    }
    return false;
  }

  #repeats(bytes: Uint8Array, from: number): boolean {
    for (let n = 0; n < REPEATS; n++) if (!this.#isStation(bytes, from + n * MAC_BYTES)) return false;
    return true;
  }
}
