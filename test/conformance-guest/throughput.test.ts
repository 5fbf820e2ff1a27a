/** Streams both ways: TCP as fast as it goes, UDP at a rate that an emulated guest keeps up with. */
import assert from "node:assert/strict";
import { before, test } from "node:test";
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

      test(`UDP over ${name}, the guest ${way}: nothing is lost`, async () => {
        const { sum } = await iperf(`-u -b ${RATE} -c ${to} -t 1 ${flag}`);
        assert.ok(sum.packets > 250);
        assert.equal(sum.lost_packets, 0);
      });
    }

  test("nothing was missed or dropped", async () => {
    const { counters, traffic } = await bench().rig.nic.state();
    assert.equal(counters.rxMissed, 0);
    assert.equal(traffic.drops - unheard, 0);
  });
});
