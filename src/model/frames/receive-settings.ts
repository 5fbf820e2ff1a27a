/**
 * Receive settings. The receiver reads them again whenever one of its registers is written, except RxFormat, Config3
 * and Config4: their new values apply from the next read on.
 */
import { type ChipFrames, STANDARD_FRAME } from "#chip/frames.ts";
import { Rx } from "#chip/descriptors.ts";
import { Config3, Config4, CPlus, CPlusCmd, MISC, Misc, RxConf, RxConfig, RxMaxSize } from "#chip/registers.ts";
import { ReceiveFormat, RxConf8125, RxFormat } from "#chip/registers-8125.ts";
import type { Page } from "../registers/page.ts";

const FCS_BYTES = 4;
const STRIP = RxConf8125.stripInnerTag | RxConf8125.stripOuterTag;

export interface ReceiveSettings {
  /** Whether the receive gate (RXDV gating) is closed, so that frames are dropped before the FIFO. */
  readonly gated: boolean;
  readonly verify: boolean;
  /** Whether VLAN tags are stripped. */
  readonly strip: boolean;
  /** Maximum length in bytes of an accepted frame, without FCS. */
  readonly longest: number;
  /** Bits of `RxConf` that select which frames are accepted. */
  readonly accept: number;
  readonly dropsBadCrc: boolean;
  /** Format of descriptors with a hash, if enabled. */
  readonly hashed: 2 | 3 | 4 | undefined;
}

/** Maximum length in bytes of a frame without FCS, in either direction, with the present jumbo setting. */
export const longestFrame = (page: Page, facts: ChipFrames): number => {
  const { jumbo } = facts;
  if (jumbo === undefined) return facts.longestFrame;
  const on =
    (page.get(Config3, 1) & jumbo.config3) === jumbo.config3 &&
    (page.get(Config4, 1) & jumbo.config4) === jumbo.config4;
  return on ? facts.longestFrame : Math.min(STANDARD_FRAME, facts.longestFrame);
};

export const receiveSettings = (page: Page, facts: ChipFrames): ReceiveSettings => {
  const plus = page.get(CPlusCmd, 2);
  const config = page.get(RxConfig, 4);
  const { hashedFormat } = facts;
  const format = hashedFormat === 4 ? page.get(RxFormat, 1) : 0;
  const selected = hashedFormat !== undefined && (config & RxConf8125.descriptorsV3) !== 0;
  const wide = hashedFormat === 2 ? 2 : 3;
  return {
    gated: facts.receiveGate && (page.get(MISC, 4) & Misc.receiveGate) !== 0,
    verify: (plus & CPlus.receiveChecksum) !== 0,
    strip: facts.stripsByRxConfig ? (config & STRIP) !== 0 : (plus & CPlus.receiveVlan) !== 0,
    longest: Math.min(longestFrame(page, facts), page.get(RxMaxSize, 2) - FCS_BYTES, Rx.length - FCS_BYTES),
    accept: config & RxConf.acceptMask,
    dropsBadCrc: (format & ReceiveFormat.dropBadFcs) !== 0,
    hashed: (format & ReceiveFormat.format4) !== 0 ? 4 : selected ? wide : undefined,
  };
};
