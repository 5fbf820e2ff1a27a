/**
 * Tests failures of a NIC under load, each caused in the model that is a guest's card. The last tests are of four
 * queues, and of sleep without a link.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CAUSE_NAMES, type CauseName } from "#app/causes.ts";
import { RESTART_DELAYS_MICROS, STEADY_MICROS } from "#app/restart-budget.ts";
import { KEY } from "#driver/rss.ts";
import { buildTcpFrame } from "#wire/frames.ts";
import { parseIpv4Address } from "#wire/ipv4.ts";
import { newMemory } from "#wire/memory.ts";
import { answered } from "../conformance-guest/echoes.ts";
import { Nic } from "../guest/nic.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { eventually } from "../rigs/eventually.ts";
import { portsOfQueues } from "../rigs/queue-ports.ts";
import { noVfio } from "./available.ts";
import { assertNoOffence } from "./no-offence.ts";
import { GATEWAY, Machine, userNetwork } from "./machine.ts";
import { OFFENCES, type Provocation, PROVOCATIONS } from "./recoveries.ts";
import { METRICS, scrape } from "./scrape.ts";

const INTERFACE = "fe0";
/** The address that QEMU's user network assigns to its first client. */
const NEAR = "10.0.2.15";
const PREPARED = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun vfio-pci af_packet";
const [ONE, SEVERAL] = [
  { chip: "rtl8168h", slot: "06" },
  { chip: "rtl8125b", slot: "08" },
] as const;
type Card = typeof ONE | typeof SEVERAL;
const addressOf = ({ slot }: Card): string => `0000:00:${slot}.0`;
const QUEUES = 4;
const D3HOT = 3;
/** A broadcast with an EtherType for experiments, to which no reply is sent. */
const UNSOLICITED = `ffffffffffff02005e1000ff88b5${"00".repeat(46)}`;
const metricOf = (cause: CauseName): string =>
  `ferrule_${cause.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`;

describe("failures of a card in a guest", { skip: noVfio() }, () => {
  const scope = new AsyncDisposableStack();
  const nics = new Map<Card, Nic>();
  let machine: Machine;

  before(async () => {
    const folder = scratchFolder();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const devices: string[] = [];
    for (const [i, card] of [ONE, SEVERAL].entries()) {
      const [socket, wire] = [join(folder, card.chip), join(folder, `${card.chip}.wire`)];
      const nic = scope.use(await Nic.serve(undefined, { chip: card.chip, socket, wire: `unix:${wire},listen` }));
      devices.push(...userNetwork(i, wire), ...nic.device({ id: card.chip, bus: "pcie.0", addr: card.slot }));
      nics.set(card, nic);
    }
    machine = scope.use(await Machine.boot({ devices, prepared: PREPARED }));
    for (const card of [ONE, SEVERAL])
      await machine.guest.mustRun(
        `echo vfio-pci >/sys/bus/pci/devices/${addressOf(card)}/driver_override; echo ${addressOf(card)} >/sys/bus/pci/drivers_probe`,
      );
  });
  after(() => scope.disposeAsync());

  /**
   * Provokes a failure under load. Resolves when traffic flows again, with the event in which the driver reports the
   * failure.
   */
  const provoke = async ({ cause, faults, counts, load, steady }: Provocation): Promise<string> => {
    const nic = nics.get(ONE)!;
    const { guest } = machine;
    if (steady === true) await guest.mustRun(`sleep ${STEADY_MICROS / 1e6}`);
    await using _traffic =
      load === "incoming"
        ? undefined
        : load === "seldom"
          ? await guest.start(`exec ping -i 3 ${GATEWAY}`)
          : await machine.flood(INTERFACE);
    for (const [name, count] of faults)
      await nic.ask({ command: "fault", name, ...(count === undefined ? {} : { count }) });
    const sign = `"cause":"${cause}","count":${counts[cause]},`;
    const event = await eventually(
      `${sign} in the output of ferrule up`,
      async () => {
        if (load === "incoming") await nic.ask({ command: "send", frame: UNSOLICITED });
        return (await machine.output(INTERFACE)).split("\n").find((line) => line.includes(sign));
      },
      300,
    );
    const waiting = `until ping -q -c 1 -W 1 ${GATEWAY}; do [ -e /sys/class/net/${INTERFACE} ] || exit 1; sleep 0.1; done`;
    const { exit, stderr } = await guest.run(waiting);
    if (exit !== 0) throw new Error(`no traffic after ${cause}:\n${stderr}\n${await machine.output(INTERFACE)}`);
    return event;
  };

  test("under load, the NIC recovers from each failure, which is counted once and reported with its reason; every frame is sent or counted as lost", async (t) => {
    const nic = nics.get(ONE)!;
    const { guest } = machine;
    const given = async (): Promise<number> =>
      Number(await guest.mustRun(`cat /sys/class/net/${INTERFACE}/statistics/tx_packets`));
    /**
     * The numbers of frames so far. They are read again if the kernel gave frames to the driver meanwhile, because it
     * also sends some by itself.
     */
    const account = (): Promise<{ readonly given: number; readonly sent: number; readonly lost: number }> =>
      eventually("a moment without frames from the kernel", async () => {
        const frames = await given();
        const counted = await scrape(guest);
        const sent = (await nic.state()).counters.txFrames;
        const lost = counted("ferrule_transmit_discards") + counted("node_network_transmit_drop");
        return (await given()) === frames ? { given: frames, sent, lost } : undefined;
      });
    await machine.up(addressOf(ONE), INTERFACE, "", `--metrics ${METRICS} --log-level debug`);
    await machine.lease(INTERFACE);
    const first = await account();
    const before = await scrape(guest);
    const counted: Partial<Record<CauseName, number>> = {};
    for (const provocation of PROVOCATIONS) {
      const { cause, reason } = provocation;
      const start = Date.now();
      const output = await provoke(provocation);
      assert.match(output, reason);
      await answered(guest, `-c 20 ${GATEWAY}`);
      assert.deepEqual((await nic.state()).faults, [], cause);
      const now = await scrape(guest);
      Object.assign(counted, provocation.counts);
      for (const name of CAUSE_NAMES) {
        const metric = metricOf(name);
        assert.equal(now(metric) - before(metric), counted[name] ?? 0, `${metric} after ${cause}`);
      }
      t.diagnostic(`${cause}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
    }
    const last = await account();
    const [frames, lost] = [last.given - first.given, last.lost - first.lost];
    assert.equal(last.sent - first.sent + lost, frames, "sent + counted = given");
    t.diagnostic(`${frames} frames given, ${lost} counted as lost`);
    await machine.works(INTERFACE);
    await assertNoOffence(nic, OFFENCES);
  });

  test("a NIC that goes on failing under load is given up after the budget's restarts", async () => {
    const nic = nics.get(ONE)!;
    await machine.lease(INTERFACE);
    await using _traffic = await machine.flood(INTERFACE);
    await nic.ask({ command: "fault", name: "dma-error" });
    await machine.guest.mustRun(`while ip link show ${INTERFACE} >/dev/null 2>&1; do sleep 0.1; done`);
    await nic.ask({ command: "clearFault" });
    assert.match(
      await machine.output(INTERFACE),
      new RegExp(`the NIC failed again after ${RESTART_DELAYS_MICROS.length} restarts.*system error`),
    );
  });

  test("with four queues, each queue has the frames of its hash, with an interrupt of its own; four downloads at once arrive unchanged", async () => {
    const { guest } = machine;
    await machine.up(
      addressOf(SEVERAL),
      INTERFACE,
      "",
      `--queues ${QUEUES} --sleep-without-link 5 --metrics ${METRICS}`,
    );
    await machine.works(INTERFACE);
    await machine.lease(INTERFACE);
    const nic = nics.get(SEVERAL)!;
    const interrupted = async (): Promise<readonly number[]> => {
      const lines = await guest.mustRun("grep vfio-msix /proc/interrupts");
      const found = [...lines.matchAll(/^\s*\d+:\s+(\d+) .*vfio-msix\[(\d+)\]/gm)];
      const times = new Map(found.map(([, count, vector]) => [Number(vector), Number(count)]));
      return Array.from({ length: QUEUES }, (_, vector) => times.get(vector)!);
    };
    const received = async (): Promise<readonly number[]> => {
      const counted = await scrape(guest);
      return Array.from({ length: QUEUES }, (_, queue) => counted("ferrule_queue_receive_packets", queue));
    };
    // The segments cause no replies, because these would make the driver poll all queues.
    for (const [queue, frame] of segmentsOfQueues(machine).entries()) {
      const [interrupts, frames] = [await interrupted(), await received()];
      await eventually(`queue ${queue} has a frame and an interrupt`, async () => {
        await nic.ask({ command: "send", frame });
        return (await interrupted())[queue]! > interrupts[queue]! && (await received())[queue]! > frames[queue]!;
      });
    }
    await machine.downloads([5000, 5001, 5002, 5003]);
    await assertNoOffence(nic);
  });

  test("a NIC without a link sleeps, and works as before once it has a link again", async () => {
    const nic = nics.get(SEVERAL)!;
    await nic.ask({ command: "link", up: false });
    await eventually("D3hot", async () => (await nic.state()).powerState === D3HOT, 100);
    await nic.ask({ command: "link", up: true });
    await machine.guest.mustRun(`until [ "$(cat /sys/class/net/${INTERFACE}/carrier)" = 1 ]; do sleep 0.05; done`);
    assert.equal((await nic.state()).powerState, 0);
    await machine.works(INTERFACE);
    await assertNoOffence(nic);
  });
});

/**
 * A TCP segment that belongs to no connection, from the web server to `port` of the guest. Its destination is the
 * broadcast address of Ethernet, so the kernel drops it.
 */
const unsolicitedSegment = ({ url }: Machine, port: number): Uint8Array => {
  const memory = newMemory(60);
  const ends = { destination: new Uint8Array(6).fill(255), source: Uint8Array.of(2, 0, 0x5e, 0x10, 0, 0xff) };
  const ports = { sourcePort: Number(new URL(url).port), destinationPort: port };
  const header = { ...ports, sequence: 1, acknowledgement: 1, headerLength: 20, flags: 0x10, window: 100 };
  const addresses = { from: parseIpv4Address(GATEWAY)!, to: parseIpv4Address(NEAR)! };
  buildTcpFrame(memory, 0, { ...ends, ...addresses }, header, new Uint8Array(6));
  return memory.bytes;
};

/** A segment for each queue, which the segment's hash selects. */
const segmentsOfQueues = (machine: Machine): readonly string[] =>
  portsOfQueues({ key: KEY, queues: QUEUES, flows: 1 }, (port) => ({
    source: [GATEWAY, Number(new URL(machine.url).port)],
    destination: [NEAR, port],
  })).map((port) => Buffer.from(unsolicitedSegment(machine, port)).toString("hex"));
