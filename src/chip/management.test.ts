/**
 * Registers of management controllers and of receive side scaling: the expected values were typed in from the sources
 * named below.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { RSS_TABLE } from "./registers.ts";
import { BP, DP_28A, DP_28B, EP, type ManagementRegisters } from "./management.ts";
import {
  ExtendedRss,
  QUEUE_VLAN_FILTERS,
  RSS_ENTRIES,
  RSS_KEY_BYTES,
  QueueCount,
  RssControl,
  TransmitQueues,
} from "./rss.ts";

const places = ({ enabled, ready, word, bell, version, outOfBand }: ManagementRegisters) =>
  [...enabled, ...ready, word, bell, version, outOfBand] as const;

// r8169_dash.c, r8169_dash.h; for the 8168DP, the bits that Linux's driver polls.
test("each management controller has its message, doorbell, version and two status bits where drivers access them", () => {
  assert.deepEqual(places(DP_28A), [0x10, 0x8000, 0x10, 0x0800, undefined, 0x30, undefined, false]);
  assert.deepEqual(places(DP_28B), [0xb8, 0x8000, 0xb8, 0x0800, undefined, 0x30, undefined, false]);
  assert.deepEqual(places(EP), [0x128, 1, 0x124, 1, 0x180, 0x30, 0x120, true]);
  assert.deepEqual(places(BP), [0x128, 1, 0x124, 1, 0x14, 0x10, 0x120, true]);
});

// r8169_ethdev.h, r8169_hw.c.
test("RSS_CTRL, Q_NUM_CTRL and the MAC controller's register have the bits that DPDK sets", () => {
  assert.equal(RssControl.any, 0x383f);
  const { tcpIpv4, ipv4, tcpIpv6, ipv6, ipv6Extended, tcpIpv6Extended } = RssControl;
  assert.deepEqual([tcpIpv4, ipv4, tcpIpv6, ipv6, ipv6Extended, tcpIpv6Extended], [1, 2, 4, 8, 16, 32]);
  const { udpIpv4, udpIpv6, udpIpv6Extended, maskShift, maskMask, cpusShift } = RssControl;
  assert.deepEqual([udpIpv4, udpIpv6, udpIpv6Extended], [0x0800, 0x1000, 0x2000]);
  assert.deepEqual([maskShift, maskMask, cpusShift, QueueCount.shift, QueueCount.mask], [8, 7, 16, 2, 7]);
  assert.deepEqual({ ...TransmitQueues }, { macOcp: 0xe63e, shift: 10, mask: 3 });
  assert.deepEqual([RSS_KEY_BYTES, RSS_ENTRIES], [40, 128]);
});

// r8168_rss.c and r8168_n.c of Realtek's own driver for Linux.
test("the RTL8168H's registers of receive side scaling are where Realtek's driver writes them", () => {
  const { key, control, queues, hashes, four } = ExtendedRss;
  assert.deepEqual([key, control, queues, hashes, four], [0x90, 0xb8, 0xc0, 0x3f, 0x1_0000]);
  assert.deepEqual([...RSS_TABLE], [0x90, 0x94, 0x98, 0x9c, 0xa0, 0xa4, 0xa8, 0xac]);
  const expected = [];
  for (let at = 0xf8; at <= 0x168; at += 8) expected.push([at, 0xffff_0000], [at + 4, 0xffff_ffff]);
  assert.deepEqual(QUEUE_VLAN_FILTERS, expected);
});
