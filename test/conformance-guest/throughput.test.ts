/** Streams both ways: TCP as fast as possible, UDP at a rate that an emulated guest sustains. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Far } from "../guest/far-end.ts";
import { FAR } from "../guest/rig.ts";
import { onEachChip } from "./grid.ts";
import { eventually } from "../rigs/eventually.ts";
import { pace, stream } from "./streams.ts";

const BYTES = 16e6;
const DATAGRAMS = 400;
/** Bits per second, as iperf3 writes them. */
const RATE = "5M";

/**
 * Number of datagrams that arrived but were dropped because their receiver was delayed and its buffer full. The NIC
 * does not cause such losses.
 */
const overflowed = async (end: Pick<Far, "mustRun">): Promise<number> => {
  const text = await end.mustRun("cat /proc/net/snmp /proc/net/snmp6");
  const [names = [], values = []] = [...text.matchAll(/^Udp: (.*)$/gm)].map(([, columns = ""]) => columns.split(" "));
  const [, ipv6] = /^Udp6RcvbufErrors\s+(\d+)$/m.exec(text) ?? [];
  const sum = Number(values[names.indexOf("RcvbufErrors")]) + Number(ipv6);
  assert.ok(Number.isSafeInteger(sum), text);
  return sum;
};

onEachChip("throughput", {}, (bench) => {
  /** Number of frames that were lost because the far end sent them while the interface was still down. */
  let unreceived = 0;
  before(async () => {
    unreceived = (await bench().rig.nic.state()).traffic.drops;
  });

  for (const [name, to] of [
    ["IPv4", FAR.ipv4],
    ["IPv6", FAR.ipv6],
  ] as const)
    for (const [way, flag] of [
      ["sends", ""],
      ["receives", "-R"],
    ] as const) {
      test(`TCP over ${name}, the guest ${way}`, async (t) => {
        const sums = await stream(bench().rig, `-n ${BYTES} ${flag}`, to);
        assert.ok(sums.sum_sent.bytes >= BYTES);
        t.diagnostic(pace(sums));
      });

      test(`UDP over ${name}, the guest ${way}: nothing is lost`, async (t) => {
        const { rig } = bench();
        const receiver = way === "sends" ? rig.far : rig.guest;
        const already = await overflowed(receiver);
        const crossed = way === "sends" ? "sentFrames" : "receivedFrames";
        const before = (await rig.nic.state()).traffic[crossed];
        const { sum } = await stream(rig, `-u -b ${RATE} -k ${DATAGRAMS} ${flag}`, to);
        await eventually(
          `${DATAGRAMS} datagrams on the wire`,
          async () => (await rig.nic.state()).traffic[crossed] - before >= DATAGRAMS,
        );
        const late = (await overflowed(receiver)) - already;
        assert.ok(
          sum.lost_packets <= late,
          `${sum.lost_packets} lost, ${late} of them dropped by a full receive buffer`,
        );
        if (late > 0) t.diagnostic(`the receiver was delayed: its buffer had no room for ${late} of ${sum.packets}`);
      });
    }

  test("nothing was missed or dropped", async () => {
    const { counters, traffic } = await bench().rig.nic.state();
    assert.equal(counters.rxMissed, 0);
    assert.equal(traffic.drops - unreceived, 0);
  });
});
