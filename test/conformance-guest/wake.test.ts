/**
 * Tests what wakes a sleeping guest: each kind of wake-up that the driver offers must wake it, and other frames must
 * not.
 */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServeRequest } from "#app/serve/requests.ts";
import { processorOf } from "../guest/parts.ts";
import { PROCESSOR } from "../guest/processors.ts";
import { FAR, NEAR, type Rig } from "../guest/rig.ts";
import { eventually } from "../rigs/eventually.ts";
import { answered } from "./echoes.ts";
import { type Cell, onEachChip } from "./grid.ts";

const D3HOT = 3;
/** Time to wait for events that must not occur. */
const QUIET_MILLIS = 300;
const STRANGER = "02005e1000ff";
const BROADCAST = "ffffffffffff";
const GROUP = "01005e000001";

/** A frame with an EtherType for experiments, from an unknown station. */
const frameTo = (destination: string): ServeRequest => ({
  command: "send",
  frame: `${destination}${STRANGER}88b5${"00".repeat(46)}`,
});
const MAGIC: ServeRequest = { command: "magic" };

const wakes = (rig: Rig): number =>
  rig.nic.output.split("\n").filter((line) => line.startsWith('{"event":"wake"')).length;

interface Night {
  /** Argument of `ethtool -s eth0 wol`. */
  readonly armed: string;
  /** Whether the cable stays connected while the guest sleeps. */
  readonly cable: boolean;
  readonly ignored: readonly ServeRequest[];
  /** The request to the NIC's server that wakes the guest; if absent, a user wakes it. */
  readonly waking?: ServeRequest;
}

/** Checks a sleeping guest: the requests in `ignored` do not wake it, and then `waking` does. */
const watch = async (rig: Rig, earlier: number, { armed, cable, ignored, waking }: Night): Promise<void> => {
  assert.equal((await rig.nic.state()).powerState, D3HOT);
  // The driver reduces the PHY's speed, which takes the link down for a moment.
  if (cable && armed !== "d") await eventually("a link", async () => (await rig.nic.state()).link.up);
  for (const request of ignored) await rig.nic.ask(request);
  await sleep(QUIET_MILLIS);
  assert.equal(wakes(rig), earlier, "an event that must be ignored woke the guest");
  if (waking === undefined) return;
  await rig.nic.ask(waking);
  await eventually("PME", () => wakes(rig) > earlier);
};

/** Suspends the guest, checks what wakes it, and checks that it works afterwards. The guest is woken in any case. */
const pass = async (rig: Rig, night: Night): Promise<void> => {
  await rig.guest.mustRun(`ethtool -s ${NEAR.name} wol ${night.armed}`);
  if (!night.cable) {
    await rig.nic.ask({ command: "link", up: false });
    await rig.carrier(false);
  }
  const earlier = wakes(rig);
  const { awake } = await rig.guest.suspend();
  try {
    await watch(rig, earlier, night);
  } finally {
    await rig.guest.wake();
    assert.equal((await awake).exit, 0);
    await rig.nic.ask({ command: "link", up: true });
    await rig.carrier(true);
  }
  await answered(rig.guest, `-c 5 ${FAR.ipv4}`);
  assert.equal((await rig.nic.state()).powerState, 0);
};

// QEMU's other PC machine can sleep only once after each start, and its ARM machines cannot sleep.
const sleeps = ({ kernel }: Cell): boolean => PROCESSOR[processorOf(kernel)].machines.includes("pc");

onEachChip("wake", { machine: "pc", suspends: true, warnings: [/^\[ *[\d.]+\] done\.$/], only: sleeps }, (bench) => {
  /** The guest's own MAC address as hexadecimal digits without colons. */
  const own = async (): Promise<string> => (await bench().rig.nic.state()).mac.replaceAll(":", "");

  before(async () => {
    const { far, nic } = bench().rig;
    // The far end sends nothing by itself: no requests for the guest's address, no multicast.
    await far.mustRun(`echo 1 >/proc/sys/net/ipv6/conf/${FAR.name}/disable_ipv6`);
    await far.mustRun(`ip neigh replace ${NEAR.ipv4} lladdr ${(await nic.state()).mac} nud permanent dev ${FAR.name}`);
  });

  test("the driver offers every kind", async () => {
    assert.match(await bench().rig.guest.mustRun(`ethtool ${NEAR.name}`), /Supports Wake-on: pumbg/);
  });

  test("a magic packet wakes, other frames do not", async () => {
    const ignored = [frameTo(await own()), frameTo(BROADCAST), frameTo(GROUP), frameTo(STRANGER)];
    await pass(bench().rig, { armed: "g", cable: true, ignored, waking: MAGIC });
  });

  test("a unicast frame wakes, if enabled", async () => {
    const waking = frameTo(await own());
    await pass(bench().rig, { armed: "u", cable: true, ignored: [frameTo(BROADCAST), frameTo(STRANGER)], waking });
  });

  test("a broadcast wakes, if enabled", async () => {
    const ignored = [frameTo(await own()), frameTo(GROUP)];
    await pass(bench().rig, { armed: "b", cable: true, ignored, waking: frameTo(BROADCAST) });
  });

  test("a multicast wakes, if enabled", async () => {
    const ignored = [frameTo(await own()), frameTo(BROADCAST)];
    await pass(bench().rig, { armed: "m", cable: true, ignored, waking: frameTo(GROUP) });
  });

  test("a cable that is plugged in wakes, if enabled", async () => {
    await pass(bench().rig, { armed: "p", cable: false, ignored: [], waking: { command: "link", up: true } });
  });

  test("nothing wakes when nothing is enabled", async () => {
    const ignored = [MAGIC, frameTo(await own()), frameTo(BROADCAST)];
    await pass(bench().rig, { armed: "d", cable: true, ignored });
  });
});
