/** Streams both ways: TCP as fast as it goes, UDP at a rate that an emulated guest keeps up with. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
import type { Far } from "../guest/far-end.ts";
import { FAR } from "../guest/rig.ts";
import { onEachChip } from "./grid.ts";

const SECONDS = 2;
/** Slow enough that a guest on a busy machine loses nothing. */
const RATE = "5M";

interface Sums {
  readonly end: {
    readonly sum_received: { readonly bits_per_second: number; readonly bytes: number };
    readonly sum: { readonly packets: number; readonly lost_packets: number };
  };
}

/** Datagrams that arrived there and were thrown away, as their receiver was held up and had no room left: no fault of a NIC's. */
const overflowed = async (end: Pick<Far, "must">): Promise<number> => {
  const text = await end.must("cat /proc/net/snmp /proc/net/snmp6");
  const [names = [], values = []] = [...text.matchAll(/^Udp: (.*)$/gm)].map(([, columns = ""]) => columns.split(" "));
  const [, ipv6] = /^Udp6RcvbufErrors\s+(\d+)$/m.exec(text) ?? [];
  const sum = Number(values[names.indexOf("RcvbufErrors")]) + Number(ipv6);
  assert.ok(Number.isSafeInteger(sum), text);
  return sum;
};

onEachChip("throughput", {}, (bench) => {
  /** Frames that the far end sent of its own accord while the interface was down, and nobody took. */
  let unheard = 0;
  before(async () => {
    unheard = (await bench().rig.nic.state()).traffic.drops;
  });

  const iperf = async (args: string): Promise<Sums["end"]> => {
    const { guest, far } = bench().rig;
    await far.must("iperf3 -s -D -1; sleep 0.3");
    return (JSON.parse(await guest.must(`iperf3 -J ${args}`, 60_000)) as Sums).end;
  };

  for (const [name, to] of [
    ["IPv4", FAR.ipv4],
    ["IPv6", FAR.ipv6],
  ] as const)
    for (const [way, flag] of [
      ["sends", ""],
      ["receives", "-R"],
    ] as const) {
      test(`TCP over ${name}, the guest ${way}`, async (t) => {
        const { sum_received } = await iperf(`-c ${to} -t ${SECONDS} ${flag}`);
        assert.ok(sum_received.bytes > 1e6);
        t.diagnostic(`${(sum_received.bits_per_second / 1e6).toFixed(0)} Mbit/s`);
      });

      test(`UDP over ${name}, the guest ${way}: nothing is lost`, async (t) => {
        const { guest, far } = bench().rig;
        const receiver = way === "sends" ? far : guest;
        const already = await overflowed(receiver);
        const { sum } = await iperf(`-u -b ${RATE} -c ${to} -t 1 ${flag}`);
        const late = (await overflowed(receiver)) - already;
        assert.ok(sum.packets > 250);
        assert.ok(sum.lost_packets <= late, `${sum.lost_packets} lost, for ${late} of which there was no room`);
        if (late > 0) t.diagnostic(`the receiver was held up: it had no room for ${late} of ${sum.packets}`);
      });
    }

  test("nothing was missed or dropped", async () => {
    const { counters, traffic } = await bench().rig.nic.state();
    assert.equal(counters.rxMissed, 0);
    assert.equal(traffic.drops - unheard, 0);
  });
});
