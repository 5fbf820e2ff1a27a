/**
 * The registers of receive side scaling. They are in the register window; only on the RTL8168H, most are extended
 * registers.
 */
import { RSS_TABLE } from "#chip/registers.ts";
import { Q_NUM_CTRL, RSS_CTRL, RSS_INDIRECTION_TBL, RSS_KEY } from "#chip/registers-8125.ts";
import { ExtendedRss, RssControl } from "#chip/rss.ts";
import type { Page } from "../registers/page.ts";

export interface SteeringRegisters {
  /** Returns the control register, with the bits of `RssControl`. */
  control(): number;
  /** Returns the register with the number of queues, with the bits of `QueueCount`. */
  count(): number;
  /** Returns byte `i` of the key. */
  key(i: number): number;
  /** Returns the queue in entry `i` of the table. */
  entry(i: number): number;
}

export const windowRegisters = (page: Page): SteeringRegisters => ({
  control: () => page.get(RSS_CTRL, 4),
  count: () => page.get(Q_NUM_CTRL, 2),
  key: (i) => page.get(RSS_KEY[0]! + i, 1),
  entry: (i) => page.get(RSS_INDIRECTION_TBL[0]! + i, 1),
});

/** @param exgmac returns an extended register */
export const extendedRegisters = (page: Page, exgmac: (address: number) => number): SteeringRegisters => {
  const bit = (plane: number, i: number): number => (page.get(RSS_TABLE[4 * plane + (i >> 5)]!, 4) >>> (i & 31)) & 1;
  return {
    control: () => exgmac(ExtendedRss.control) & (ExtendedRss.hashes | (RssControl.maskMask << RssControl.maskShift)),
    count: () => exgmac(ExtendedRss.queues),
    key: (i) => (exgmac(ExtendedRss.key + (i & ~3)) >>> (8 * (i & 3))) & 0xff,
    entry: (i) => bit(0, i) | ((exgmac(ExtendedRss.control) & ExtendedRss.four) === 0 ? 0 : bit(1, i) << 1),
  };
};
