/** Echoes of every length that changes how a frame is made, over both protocols. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { eventually } from "../rigs/eventually.ts";
import { onEachChip } from "./grid.ts";
import { answered } from "./echoes.ts";

/**
 * Payload lengths: of the shortest frames, which the chip pads; odd ones; the longest that fits in one frame; and some
 * that need several fragments.
 */
const SIZES = [0, 1, 8, 17, 18, 19, 56, 999, 1471, 1472, 1473, 4000, 20_000];

const ECHOES = 1000;

/** Number of sent frames that only the kernel has counted, and of received frames that only the NIC has counted. */
const lost = async ({ guest, nic }: Rig): Promise<readonly [sent: number, received: number]> => {
  const text = await guest.mustRun(`cd /sys/class/net/${NEAR.name}/statistics; cat tx_packets rx_packets`);
  const [sent, received] = text.split("\n").map(Number);
  const { traffic, counters } = await nic.state();
  return [sent! - traffic.sentFrames, counters.rxFrames - received!];
};

onEachChip("ping", {}, (bench) => {
  test("the guest's requests of every length are answered", async () => {
    const { guest } = bench().rig;
    for (const [version, to] of [
      ["-4", FAR.ipv4],
      ["-6", FAR.ipv6],
    ])
      for (const size of SIZES) {
        await answered(guest, `${version} -c 3 -s ${size} ${to}`);
      }
  });

  test("the guest answers requests of every length", async () => {
    const { far } = bench().rig;
    for (const to of [NEAR.ipv4, NEAR.ipv6])
      for (const size of SIZES) {
        await answered(far, `-c 3 -s ${size} ${to}`);
      }
  });

  test("a thousand echoes as fast as possible, none is lost", async (t) => {
    const { rig } = bench();
    const before = await lost(rig);
    const stdout = await rig.guest.mustRun(`ping -q -c ${ECHOES} -i 0 -w 250 ${FAR.ipv4}`);
    assert.match(stdout, new RegExp(`\\b${ECHOES} received`), stdout);
    // Frames for which ping did not wait must not be lost either.
    await eventually("the wire and the kernel count the same frames", async () =>
      isDeepStrictEqual(await lost(rig), before),
    );
    t.diagnostic(`round trip ${/rtt .* = (\S+ ms)/.exec(stdout)?.[1]} (min/avg/max/mdev)`);
  });
});
