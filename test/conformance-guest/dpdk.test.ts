/**
 * DPDK's own driver for Realtek's cards, net_r8169, as Debian ships it: another C driver, by Realtek, that has its own ways with
 * the chip. It polls, fills descriptors of 32 bytes, and follows the transmit ring by pointers. DPDK 24.11 knows RTL8125A, B,
 * BP and D and RTL8126A, with one queue in each direction.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { LinkSpeed } from "#model/link-partner.ts";
import { buildTcpFrame, buildUdpFrame } from "#wire/frames.ts";
import { parseMac } from "#wire/mac.ts";
import { memoryOf } from "#wire/memory.ts";
import { noRig } from "../guest/available.ts";
import { dpdkArchive } from "../guest/dpdk.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { type Cell, cells, onEachChip } from "./grid.ts";
import { HUGE_PAGES, Testpmd } from "./testpmd.ts";
import { lookAt } from "./wire-check.ts";
