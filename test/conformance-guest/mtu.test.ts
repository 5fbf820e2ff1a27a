/**
 * Tests the longest frames. Frames of the chip's largest MTU must pass both ways, with and without a VLAN tag, and the
 * driver must reject an MTU of one byte more.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FAR, NEAR } from "../guest/rig.ts";
import { onEachChip } from "./grid.ts";
import { answered } from "./echoes.ts";
import { LANES, makeLanes } from "./lanes.ts";
import { pace, stream } from "./streams.ts";
import { checkFrame, type CheckedFrame } from "./wire-check.ts";

const STANDARD = 1500;
/** The driver's largest MTU before Linux 6.14, for every chip from the RTL8125 on. */
const CAUTIOUS = 9194;
const HEADER = 14;
/** Length of the IP and ICMP headers together, for IPv4 and IPv6. */
const ECHO = { "-4": 28, "-6": 48 } as const;
const TAGGED = LANES[1]!;
const BYTES = 16e6;
const PORT = { sends: 21_000, receives: 21_001 } as const;

onEachChip("mtu", { far: "inside", capture: true, prepare: makeLanes }, (bench) => {
  let max = STANDARD;
  const limit = (): number => max;
  const setMtu = async (mtu: number): Promise<void> => {
    const { guest, far } = bench().rig;
    await far.mustRun(`ip link set ${FAR.name} mtu ${mtu}`);
    await guest.mustRun(`ip link set ${NEAR.name} mtu ${mtu}`);
    // Some chips renegotiate the link, because they cannot combine jumbo frames with pause.
    await bench().rig.carrier(true);
    await guest.mustRun(`until ping -q -c 1 -W 1 ${FAR.ipv4}; do sleep 0.1; done`);
  };
  const echoes = async (from: "guest" | "far", to: string, size: number): Promise<void> => {
    const version = to.includes(":") ? "-6" : "-4";
    await answered(bench().rig[from], `${version} -M do -c 3 -s ${size - ECHO[version]} ${to}`);
  };
  const bothWays = async (size: number): Promise<void> => {
    for (const to of [FAR.ipv4, FAR.ipv6]) await echoes("guest", to, size);
    for (const to of [NEAR.ipv4, NEAR.ipv6]) await echoes("far", to, size);
  };

  test("the driver reports the largest MTU, and rejects an MTU of one byte more and one that is too short for an IP packet", async (t) => {
    const { rig, cell } = bench();
    const { guest } = rig;
    max = Number(/maxmtu (\d+)/.exec(await guest.mustRun(`ip -d link show ${NEAR.name}`))?.[1]);
    const { largestMtu } = cell.chip;
    if (cell.chip.profile.registers.includes("multigigabit") && cell.kernel !== "newest")
      assert.ok(max <= largestMtu && max >= CAUTIOUS, `${max}`);
    else assert.equal(max, largestMtu);
    for (const mtu of [limit() + 1, 67]) {
      const { exit } = await guest.run(`ip link set ${NEAR.name} mtu ${mtu}`);
      assert.notEqual(exit, 0, `${mtu} is accepted`);
    }
    t.diagnostic(`limit ${limit()}`);
  });

  test("echoes of exactly the standard MTU pass, and nothing longer is sent", async () => {
    await bothWays(STANDARD);
    const { exit } = await bench().rig.guest.run(`ping -M do -c 1 -W 1 -s ${STANDARD + 1 - ECHO["-4"]} ${FAR.ipv4}`);
    assert.notEqual(exit, 0);
  });

  test("echoes of the first jumbo MTU and of the limit pass both ways", async (t) => {
    if (limit() === STANDARD) return t.skip("this chip has no jumbo frames");
    for (const mtu of [STANDARD + 1, limit()]) {
      await setMtu(mtu);
      await bothWays(mtu);
    }
    const { exit } = await bench().rig.guest.run(`ping -M do -c 1 -W 1 -s ${limit() + 1 - ECHO["-4"]} ${FAR.ipv4}`);
    assert.notEqual(exit, 0);
  });

  test("frames of the largest MTU also pass with a VLAN tag", async () => {
    const { guest, far } = bench().rig;
    // The far end's own interface sends no frame longer than its largest MTU; a tag counts towards that length.
    const mtu = Math.min(limit(), 16_362 - 4);
    await guest.mustRun(`ip link set v5 mtu ${mtu}`);
    await far.mustRun(`ip link set v5 mtu ${mtu}`);
    await echoes("guest", TAGGED.ipv4, mtu);
    await echoes("far", TAGGED.ipv4.replace(/2$/, "1"), mtu);
  });

  for (const [way, flag] of [
    ["sends", ""],
    ["receives", "-R"],
  ] as const)
    test(`TCP at the limit, the guest ${way}`, async (t) => {
      const sums = await stream(bench().rig, `--cport ${PORT[way]} -n ${BYTES} ${flag}`);
      assert.ok(sums.sum_sent.bytes >= BYTES);
      t.diagnostic(pace(sums));
    });

  test("back at the standard MTU, all is as before", async () => {
    await setMtu(STANDARD);
    await bothWays(STANDARD);
  });

  test("every frame on the wire is correct, and both streams used the longest frames", async () => {
    const frames = (await bench().rig.frames()).map(checkFrame);
    const wrong = frames.filter(({ faults }) => faults.length > 0);
    assert.deepEqual(
      wrong.map(({ faults, sent, bytes }) => `${sent ? "sent" : "received"}, ${bytes.length} bytes: ${faults.join()}`),
      [],
    );
    const longest = (of: (frame: CheckedFrame) => boolean): number =>
      Math.max(...frames.filter(of).map(({ bytes }) => bytes.length));
    assert.equal(
      longest(({ tags }) => tags.length === 0),
      HEADER + limit(),
    );
    assert.equal(
      longest(({ sent, source }) => sent && source === PORT.sends),
      HEADER + limit(),
    );
    assert.equal(
      longest(({ sent, destination }) => !sent && destination === PORT.receives),
      HEADER + limit(),
    );
    assert.equal(
      longest(({ sent, tags }) => sent && tags.length > 0),
      HEADER + 4 + Math.min(limit(), 16_362 - 4),
    );
    const { counters, traffic } = await bench().rig.nic.state();
    assert.equal(counters.rxMissed, 0);
    assert.equal(traffic.drops, 0);
  });
});
