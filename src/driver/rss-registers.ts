/** The registers of receive side scaling: those of the RTL8125 and later, and those of the RTL8168H. */
import type { Queues } from "#chip/queues.ts";
import { RSS_TABLE } from "#chip/registers.ts";
import { Q_NUM_CTRL, RSS_CTRL, RSS_INDIRECTION_TBL, RSS_KEY } from "#chip/registers-8125.ts";
import { ExtendedRss, QueueCount, RSS_ENTRIES, RssControl } from "#chip/rss.ts";
import type { Hardware } from "./hardware.ts";

type Side = Pick<Hardware, "io" | "side" | "queues">;

interface RssRegisters {
  /** Writes the key and the table. */
  put(hw: Side, key: Uint8Array, table: Uint8Array): void;
  /** Starts hashing, with the key and the table that were written. */
  start(hw: Side): void;
}

/** Value of the mask that makes the chip use all entries of the table. */
const ENTRIES = Math.log2(RSS_ENTRIES) << RssControl.maskShift;

/** Four bytes as a word; the first byte is in the lowest bits. */
const word = (bytes: Uint8Array, i: number): number =>
  (bytes[4 * i]! | (bytes[4 * i + 1]! << 8) | (bytes[4 * i + 2]! << 16) | (bytes[4 * i + 3]! << 24)) >>> 0;

/** Word `i` of the RTL8168H's table: bit `i >> 2` of 32 consecutive entries. */
const plane = (table: Uint8Array, i: number): number => {
  const entries = table.subarray(32 * (i % 4));
  let bits = 0;
  for (let entry = 0; entry < 32; entry++) bits |= ((entries[entry]! >> (i >> 2)) & 1) << entry;
  return bits >>> 0;
};

export const RSS_REGISTERS: Readonly<Record<Queues["rings"], RssRegisters>> = {
  separate: {
    put({ io }, key, table) {
      for (const [i, register] of RSS_KEY.entries()) io.write32(register, word(key, i));
      for (const [i, register] of RSS_INDIRECTION_TBL.entries()) io.write32(register, word(table, i));
    },
    start({ io, queues }) {
      const bits = Math.log2(queues);
      io.write16(Q_NUM_CTRL, bits << QueueCount.shift);
      io.write32(RSS_CTRL, RssControl.any | ENTRIES | (bits << RssControl.cpusShift));
    },
  },
  alternating: {
    put({ io, side }, key, table) {
      for (let at = 0; at < key.length; at += 4) side.eriWrite(ExtendedRss.key + at, word(key, at / 4));
      for (const [i, register] of RSS_TABLE.entries()) io.write32(register, plane(table, i));
    },
    // `bringUp` has set the number of queues before it enabled the receiver.
    start({ side, queues }) {
      side.eriWrite(ExtendedRss.control, ExtendedRss.hashes | ENTRIES | (queues === 4 ? ExtendedRss.four : 0));
    },
  },
};
