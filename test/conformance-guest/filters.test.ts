/**
 * Tests that the guest's stack receives exactly the frames whose destinations the driver's settings accept. The
 * expected set is computed independently from the guest's list of multicast groups.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import { framesOf } from "#chip/frames.ts";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { answered } from "./echoes.ts";
import { eventually } from "../rigs/eventually.ts";
import { onEachChip } from "./grid.ts";
import { setNeighbours } from "./neighbours.ts";
import { settles } from "./settles.ts";

const MAC = "02:00:5e:10:00:01";
const SENDER = "02:00:5e:10:00:02";
/** Source address of the last frame, which is a broadcast, so that every filter accepts it. */
const LAST_SENDER = "02:00:5e:10:00:03";
const BROADCAST = "ff:ff:ff:ff:ff:ff";
/**
 * Other stations: addresses that differ from the guest's own in one bit (the first, a middle and the last one), and an
 * unrelated one.
 */
const OTHER_STATIONS = ["02:00:5e:10:00:00", "00:00:5e:10:00:01", "02:00:5e:11:00:01", "00:e0:4c:68:00:01"];
/** IEEE's EtherType for experiments. */
const ETHER_TYPE = "88b5";
const GROUP = "239.9.9.9";
const DAMAGED = 5;
/** Groups that the guest joins. */
const JOINED = ["01:00:5e:01:02:03", "33:33:00:00:0b:ad", "09:00:70:00:00:55"];

/** A group for each of the hash's 64 bits, three times, the same in each run. */
const GROUPS = Array.from({ length: 192 }, (_, i) => {
  const hash = crc32(`group ${i}`);
  const bytes = [0x01 | (hash & 0xfe), i & 0xff, hash & 0xff, (hash >>> 8) & 0xff, (hash >>> 16) & 0xff, hash >>> 24];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
});

const bytesOf = (mac: string): Uint8Array => Uint8Array.from(mac.split(":"), (digits) => Number.parseInt(digits, 16));

/**
 * Index of an address in the 64-bit multicast hash: the six most significant bits of the big-endian CRC-32. `crc` has
 * the reverse bit order, so its bits 0 to 5 become bits 5 to 0 of the index.
 */
const hashBit = (mac: string): number => {
  const crc = ~crc32(bytesOf(mac)) >>> 0;
  let bit = 0;
  for (let i = 0; i < 6; i++) bit |= ((crc >>> i) & 1) << (5 - i);
  return bit;
};

/** Sends a frame to each destination. Returns the destinations of those that the stack received, in order. */
const received = async ({ guest, nic }: Rig, destinations: readonly string[]): Promise<readonly string[]> => {
  // Without -p, tcpdump would make the interface promiscuous.
  await using listener = await guest.start(
    `exec tcpdump -Z root --immediate-mode -p -t -e -n -l -i ${NEAR.name} ether proto 0x${ETHER_TYPE}`,
  );
  await listener.waitFor(/listening on/);
  const send = (to: string, from: string): Promise<object> =>
    nic.ask({
      command: "send",
      frame: `${to}${from}`.replaceAll(":", "") + ETHER_TYPE + "00".repeat(46),
    });
  for (const to of destinations) await send(to, SENDER);
  await send(BROADCAST, LAST_SENDER);
  const text = await listener.waitFor(new RegExp(`^${LAST_SENDER} > `, "m"));
  const of = new RegExp(`^${SENDER} > ([0-9a-f:]{17}), `, "gm");
  return [...text.matchAll(of)].map(([, to]) => to!);
};

/** The multicast groups that the kernel has requested from the driver. */
const joined = async ({ guest }: Rig): Promise<readonly string[]> => {
  const text = await guest.mustRun(`ip maddr show dev ${NEAR.name}`);
  return text.split("\n").flatMap((line) => /link\s+([0-9a-f:]{17})/.exec(line)?.[1] ?? []);
};

onEachChip("filters", { mac: MAC, warnings: [/Rx ERROR. status/] }, (bench) => {
  const assertReceived = async (destinations: readonly string[], expected: readonly string[]): Promise<void> =>
    settles(async () => assert.deepEqual(await received(bench().rig, destinations), expected));
  const guest = (command: string): Promise<string> => bench().rig.guest.mustRun(command);

  test("its own address and broadcasts reach the stack, frames to others do not", async () => {
    await assertReceived([...OTHER_STATIONS, MAC, ...OTHER_STATIONS, BROADCAST], [MAC, BROADCAST]);
  });

  test("exactly the groups whose hash bit the driver set reach the stack", async (t) => {
    const { rig, cell } = bench();
    for (const group of JOINED) await guest(`ip maddr add ${group} dev ${NEAR.name}`);
    const bits = new Set((await joined(rig)).map(hashBit));
    const sent = [...JOINED, ...GROUPS];
    // The hash of one chip revision does not work. For this revision the driver sets all bits.
    const expected = framesOf(cell.chip).allMulticastOnly ? sent : sent.filter((group) => bits.has(hashBit(group)));
    await assertReceived(sent, expected);
    t.diagnostic(`${bits.size} bits set, ${expected.length} of ${sent.length} frames accepted`);
  });

  test("a group that was left is filtered again", async () => {
    for (const group of JOINED) await guest(`ip maddr del ${group} dev ${NEAR.name}`);
    const { rig, cell } = bench();
    const bits = new Set((await joined(rig)).map(hashBit));
    const all = framesOf(cell.chip).allMulticastOnly;
    await assertReceived(
      JOINED,
      JOINED.filter((group) => all || bits.has(hashBit(group))),
    );
  });

  test("the far end reaches a group's member", async () => {
    await guest(
      `echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts; ip addr add ${GROUP}/32 dev ${NEAR.name} autojoin`,
    );
    const stdout = await bench().rig.far.mustRun(`ping -c 3 -i 0.1 -w 250 -I ${FAR.name} ${GROUP}`);
    assert.match(stdout, new RegExp(`from ${NEAR.ipv4.replaceAll(".", "\\.")}`));
    await guest(`ip addr del ${GROUP}/32 dev ${NEAR.name}`);
  });

  test("with all-multicast every group reaches the stack, and frames to other stations do not", async () => {
    await guest(`ip link set ${NEAR.name} allmulticast on`);
    await assertReceived([...OTHER_STATIONS, ...GROUPS, MAC], [...GROUPS, MAC]);
    await guest(`ip link set ${NEAR.name} allmulticast off`);
  });

  test("every frame reaches the stack while the interface is promiscuous, and only accepted frames afterwards", async () => {
    const all = [...OTHER_STATIONS, ...GROUPS, MAC, BROADCAST];
    await guest(`ip link set ${NEAR.name} promisc on`);
    await assertReceived(all, all);
    await guest(`ip link set ${NEAR.name} promisc off`);
    await assertReceived([...OTHER_STATIONS, MAC], [MAC]);
  });

  test("frames to a second unicast address are accepted while the interface has one", async () => {
    const second = "02:00:5e:77:00:09";
    await guest(`ip link add link ${NEAR.name} name second address ${second} type macvlan && ip link set second up`);
    try {
      await settles(async () => assert.ok((await received(bench().rig, [second, MAC])).includes(second)));
    } finally {
      await guest("ip link del second");
    }
    await assertReceived([second, MAC], [MAC]);
  });

  test("a new address replaces the old one", async () => {
    const other = "02:00:5e:77:00:01";
    await guest(`ip link set ${NEAR.name} address ${other}`);
    await assertReceived([MAC, other, BROADCAST], [other, BROADCAST]);
    await guest(`ip link set ${NEAR.name} address ${MAC}`);
    await assertReceived([other, MAC], [MAC]);
  });

  test("frames with a bad FCS are counted, and reach the stack only on request", async (t) => {
    const { rig } = bench();
    await using _quiet = await setNeighbours(rig);
    const errors = async (): Promise<number> => (await rig.nic.state()).counters.rxErrors;
    const arrived = async (): Promise<number> =>
      Number(await guest(`ethtool -S ${NEAR.name} | sed -n 's/^ *rx_errors: //p'`));
    const packets = async (): Promise<number> =>
      Number(await guest(`cat /sys/class/net/${NEAR.name}/statistics/rx_packets`));
    /** Sends some echo requests, all of which are damaged on the wire; returns ping's output. */
    const damage = async (): Promise<string> => {
      const before = await errors();
      await rig.nic.ask({ command: "wire", name: "crc", directions: ["in"], count: DAMAGED });
      const { stdout } = await rig.far.run(`ping -q -c ${DAMAGED} -i 0.05 -W 1 ${NEAR.ipv4}`);
      await eventually("the damaged frames", async () => (await errors()) >= before + DAMAGED);
      assert.equal(await errors(), before + DAMAGED);
      return stdout;
    };
    const before = await arrived();
    assert.match(await damage(), /100% packet loss/);
    assert.equal(await arrived(), before + DAMAGED);
    await guest(`ethtool -K ${NEAR.name} rx-all on rx-fcs on`);
    const few = await packets();
    await damage();
    await eventually("the damaged frames at the stack", async () => (await packets()) >= few + DAMAGED);
    t.diagnostic(`${(await packets()) - few} frames accepted`);
    await guest(`ethtool -K ${NEAR.name} rx-all off rx-fcs off`);
    assert.match(await damage(), /100% packet loss/);
    await answered(rig.far, `-c 3 ${NEAR.ipv4}`);
  });
});
