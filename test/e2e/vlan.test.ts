/**
 * VLANs on a Ferrule interface, with one and two tags, in a guest, because not every machine's kernel supports VLANs.
 * The guest does the same as two-ends.test.ts; the captures are evaluated on the host.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { promisify } from "node:util";
import { memoryOf } from "#wire/memory.ts";
import { readPcapng } from "#wire/pcapng-reader.ts";
import { Verified, verify } from "#wire/verify.ts";
import { type GuestResult, runInGuest } from "../guest/boot.ts";
import { noGuest } from "../guest/image.ts";
import { programFiles } from "../guest/program.ts";
import { flowsOf, framesOfPcap } from "../rigs/flows.ts";
import { assertSums } from "../rigs/frames.ts";

const run = promisify(execFile);

/** Paths between the two ends, by their VLANs. */
const LANES = [
  { name: "plain", tags: "", address: "10.77.0", mtu: 1500, jumbo: 9000 },
  { name: "one tag", tags: "5", address: "10.77.5", mtu: 1500, jumbo: 9000 },
  { name: "a tag in a tag", tags: "5.6", address: "10.77.6", mtu: 1496, jumbo: 8996 },
] as const;

const BYTES = 3e6;
/** Bytes of IPv4 and ICMP header before ping's payload. */
const PING_HEADERS = 28;

/** A script that tests each path at one MTU. Its output is in /out, in files named after `of` and the path's tags. */
const traffic = (of: "mtu" | "jumbo"): string =>
  LANES.map(({ tags, address, ...mtus }) => {
    const out = `/out/${of}-${tags === "" ? "plain" : tags}`;
    const size = mtus[of] - PING_HEADERS;
    return `
echoes ${out}-ping -c 20 -M do -s ${size} ${address}.2
on a iperf3 -c ${address}.2 -w 256K -n ${BYTES} -J >${out}-tcp-out
on a iperf3 -c ${address}.2 -w 256K -n ${BYTES} -J -R >${out}-tcp-back
on a iperf3 -c ${address}.2 -u -b 8M -n ${BYTES / 8} -J >${out}-udp-out
on a iperf3 -c ${address}.2 -u -b 8M -n ${BYTES / 8} -J -R >${out}-udp-back`;
  }).join("\n");

/** Sets one end up: its addresses and VLANs. The ends use different priorities in the outer tag. */
const end = (namespace: string, device: string, number: number, priority: number): string => `
ip link set ${device} netns ${namespace}
on ${namespace} ip addr add 10.77.0.${number}/24 dev ${device}
on ${namespace} ip link set ${device} up
on ${namespace} ip link add link ${device} name outer type vlan id 5 egress-qos-map 0:${priority}
on ${namespace} ip link add link outer name inner type vlan id 6
on ${namespace} ip link set inner mtu 1496
on ${namespace} ip addr add 10.77.5.${number}/24 dev outer
on ${namespace} ip addr add 10.77.6.${number}/24 dev inner
on ${namespace} ip link set outer up
on ${namespace} ip link set inner up`;

const longer = (namespace: string, device: string): string => `
on ${namespace} ip link set ${device} mtu 9000
on ${namespace} ip link set outer mtu 9000
on ${namespace} ip link set inner mtu 8996`;

const SCRIPT = `
set -eux
on() { ip netns exec "$@"; }
says() { # file, pattern
  for i in $(seq 1500); do grep -q "$2" "$1" && return; sleep 0.2; done
  echo "$1 never said $2"; cat "$1"; exit 1
} 2>/dev/null
echoes() { # file, arguments of ping; a machine that is busy gets more time in each round
  file=$1
  shift
  for interval in 0.02 0.08 0.32 1.28 5; do
    on a ping -q -i $interval -W 20 "$@" >$file || true
    grep -q ' 0% packet loss' $file && return
  done
  return 0
}
ip netns add a
ip netns add b
# Room for all datagrams while their receiver is delayed.
echo 8388608 >/proc/sys/net/core/rmem_default
# To TCP an emulated machine looks like a slow network, for which it would send super-frames of two segments only.
on a sh -c 'echo 40 >/proc/sys/net/ipv4/tcp_min_tso_segs'
ferrule up model:rtl8168h --name fe0 --wire tap:fe0w --capture /out/wire.pcapng --json \\
  >/out/ferrule 2>&1 &
ferrule=$!
says /out/ferrule '"carrier"'
${end("a", "fe0", 1, 3)}
${end("b", "fe0w", 2, 6)}
ip netns exec a tcpdump -i fe0 -w /out/host.pcap -s 0 -B 65536 -U -Z root 2>/out/tcpdump &
tcpdump=$!
ip netns exec b iperf3 -s --forceflush >/tmp/server &
server=$!
says /out/tcpdump 'listening on'
says /tmp/server 'listening'
${traffic("mtu")}
${longer("a", "fe0")}
${longer("b", "fe0w")}
${traffic("jumbo")}
kill $server
kill $tcpdump
wait $tcpdump
kill $ferrule
wait $ferrule
`;

/** A frame without its tags, and the control words of the tags, the outermost first. */
const untag = (frame: Uint8Array): { controls: readonly number[]; plain: Uint8Array } => {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const controls: number[] = [];
  let at = 12;
  for (; at + 6 <= frame.length && view.getUint16(at) === 0x8100; at += 4) controls.push(view.getUint16(at + 2));
  return { controls, plain: Buffer.concat([frame.subarray(0, 12), frame.subarray(at)]) };
};

/** Frames without their tags, grouped by the VLAN IDs in these tags, the outermost first: "5.6". */
const byTags = (frames: Iterable<Uint8Array>): ReadonlyMap<string, readonly Uint8Array[]> => {
  const sorted = new Map<string, Uint8Array[]>();
  for (const frame of frames) {
    const { controls, plain } = untag(frame);
    const tags = controls.map((control) => control & 0xfff).join(".");
    sorted
      .set(tags, sorted.get(tags) ?? [])
      .get(tags)!
      .push(plain);
  }
  return sorted;
};

const isTcpOrUdp = (plain: Uint8Array): boolean =>
  plain.length >= 34 && plain[12] === 8 && plain[13] === 0 && (plain[23] === 6 || plain[23] === 17);

interface Sums {
  readonly end: {
    readonly sum_sent?: { readonly bytes: number };
    readonly sum?: { readonly packets: number; readonly lost_packets: number };
  };
}

describe("VLANs, in a guest", { skip: noGuest(["tshark"]) }, () => {
  let guest: GuestResult;
  let wire: readonly Uint8Array[];
  /** tcpdump's capture on the interface, and the capture on the wire. */
  let seen: ReadonlyMap<string, readonly Uint8Array[]>;
  let crossed: typeof seen;
  const text = (name: string): string => Buffer.from(guest.out.get(name) ?? []).toString();

  before(async () => {
    guest = await runInGuest(SCRIPT, { files: programFiles(), modules: ["tun", "8021q"], limitMillis: 3_600_000 });
    assert.equal(guest.exitCode, 0, `${guest.output}\n${text("ferrule")}`);
    wire = [...readPcapng(guest.out.get("wire.pcapng")!)].map((packet) => packet.bytes);
    seen = byTags(framesOfPcap(guest.out.get("host.pcap")!));
    crossed = byTags(wire);
  });

  for (const { name, tags } of LANES)
    for (const [of, size] of [
      ["mtu", "1500"],
      ["jumbo", "9000"],
    ] as const)
      test(`ping, TCP and UDP both ways at MTU ${size}: ${name}`, () => {
        const lane = `${of}-${tags === "" ? "plain" : tags}`;
        assert.match(text(`${lane}-ping`), / 0% packet loss/);
        for (const way of ["out", "back"]) {
          const tcp = JSON.parse(text(`${lane}-tcp-${way}`)) as Sums;
          assert.ok(tcp.end.sum_sent!.bytes >= BYTES);
          const udp = JSON.parse(text(`${lane}-udp-${way}`)) as Sums;
          assert.equal(udp.end.sum!.lost_packets, 0);
        }
      });

  test("nothing was dropped, and the NIC inserted and stripped tags", () => {
    assert.match(text("tcpdump"), /\n0 packets dropped by kernel/);
    const down = JSON.parse(text("ferrule").trim().split("\n").at(-1)!) as { statistics: Record<string, number> };
    const { statistics } = down;
    for (const name of ["sendDrops", "receiveDrops", "wireDrops", "missedFrames", "receiveErrors", "deviceNonsense"])
      assert.equal(statistics[name], 0, `${name}: ${JSON.stringify(statistics)}`);
    for (const name of ["tagsInserted", "tagsTaken"])
      assert.ok(statistics[name]! > 1000, `${name}: ${statistics[name]}`);
  });

  test("there are no tags but those of the paths, with the right priorities", () => {
    const lanes = LANES.map(({ tags }) => tags).sort();
    assert.deepEqual([...crossed.keys()].sort(), lanes);
    assert.deepEqual([...seen.keys()].sort(), lanes);
    // Packets that the kernel sends by itself have other priorities.
    const controls = new Set(wire.map(untag).flatMap(({ controls, plain }) => (isTcpOrUdp(plain) ? controls : [])));
    assert.deepEqual(controls, new Set([(3 << 13) | 5, (6 << 13) | 5, 6]));
  });

  for (const { name, tags, jumbo } of LANES)
    test(`the wire carried every byte that tcpdump saw, in frames of allowed length: ${name}`, () => {
      const [before, after] = [flowsOf(seen.get(tags)!), flowsOf(crossed.get(tags)!)];
      assert.ok(before.flows.size >= 16, `${before.flows.size} flows`);
      for (const [key, flow] of before.flows) {
        const other = after.flows.get(key);
        assert.ok(other !== undefined, `flow ${key} is not on the wire`);
        assert.equal(flow.missingFrom(other), 0, `bytes of flow ${key} are missing on the wire`);
      }
      assert.ok(after.longest <= jumbo + 14, `a frame on the wire has ${after.longest} bytes`);
      // With two tags there are no super-frames, because the kernel segments such packets itself.
      if (tags !== "5.6") assert.ok(before.longest > 40_000, `the longest super-frame has ${before.longest} bytes`);
    });

  test("every checksum on the wire is correct", () => {
    for (const frame of wire) {
      const { plain } = untag(frame);
      if (!isTcpOrUdp(plain)) continue;
      assertSums(plain);
      const found = verify(memoryOf(frame.slice()), 0, frame.length);
      assert.ok((found & Verified.ipGood) !== 0 && (found & Verified.transportGood) !== 0);
    }
  });

  test("tshark finds no malformed frame and no bad checksum on the wire", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ferrule-vlan-"));
    try {
      writeFileSync(join(folder, "wire.pcapng"), guest.out.get("wire.pcapng")!);
      const check = ["ip", "tcp", "udp"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]);
      const bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0";
      const count = async (filter: string): Promise<number> => {
        const args = ["-r", join(folder, "wire.pcapng"), ...check, "-Y", filter, "-T", "fields", "-e", "frame.number"];
        const { stdout } = await run("tshark", args, { maxBuffer: 1 << 26, timeout: 1_800_000 });
        return stdout.split("\n").length - 1;
      };
      assert.equal(await count(bad), 0);
      assert.ok((await count("vlan.id == 6 && tcp.checksum.status == 1")) > 1000, "too few checksums were verified");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
