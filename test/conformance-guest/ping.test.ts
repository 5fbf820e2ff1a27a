/** Echoes of every length that changes how a frame is made, over both protocols. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FAR, NEAR } from "../guest/rig.ts";
import { onEachChip } from "./grid.ts";
import { answered } from "./echoes.ts";

/** Bytes of payload: shortest frames, which the chip pads; odd ones; the longest in one frame; several fragments. */
const SIZES = [0, 1, 8, 17, 18, 19, 56, 999, 1471, 1472, 1473, 4000, 20_000];

onEachChip("ping", {}, (bench) => {
  test("the guest is answered, whatever the length", async () => {
    const { guest } = bench().rig;
    for (const [version, to] of [
      ["-4", FAR.ipv4],
      ["-6", FAR.ipv6],
    ])
      for (const size of SIZES) {
        await answered(guest, `${version} -c 3 -i 0.02 -s ${size} ${to}`);
      }
  });

  test("the guest answers, whatever the length", async () => {
    const { far } = bench().rig;
    for (const to of [NEAR.ipv4, NEAR.ipv6])
      for (const size of SIZES) {
        await answered(far, `-c 3 -i 0.02 -s ${size} ${to}`);
      }
  });

  test("a thousand echoes as fast as they come, none is lost", async (t) => {
    const { guest } = bench().rig;
    const stdout = await guest.must(`ping -q -c 1000 -i 0 -W 5 ${FAR.ipv4}`, 60_000);
    assert.match(stdout, /1000 received/, stdout);
    t.diagnostic(`round trip ${/rtt .* = (\S+ ms)/.exec(stdout)?.[1]} (min/avg/max/mdev)`);
  });
});
