/**
 * Runs `ferrule up` with its two ends in two network namespaces, and sends traffic of every kind. Then compares the
 * wire's capture with tcpdump's capture on the interface. VLANs are in vlan.test.ts.
 */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readPcapng } from "#wire/pcapng-reader.ts";
import type { Background } from "../rigs/background.ts";
import { flowsOf, framesOfPcap } from "../rigs/flows.ts";
import { NamedNamespace, pings, run, start } from "../rigs/netns.ts";
import { noTwoEnds } from "../rigs/skip.ts";

const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
const HOST = `fe${process.pid % 10_000}`;
const FAR = `${HOST}w`;
const TARGET = "10.77.0.2";
/** Fewer datagrams than a TAP's queue holds, so that even a busy machine loses none. */
const DATAGRAMS = "400";

const skip = noTwoEnds(["ip", "ping", "iperf3", "setpriv", "tcpdump", "tshark"]);

/** Number of UDP packets dropped because a socket's buffer was full. */
const fullSockets = async (namespace: NamedNamespace): Promise<number> => {
  const [names = "", values = ""] = (await namespace.run("cat", "/proc/net/snmp")).match(/^Udp: .*$/gm) ?? [];
  return Number(values.split(" ")[names.split(" ").indexOf("RcvbufErrors")]);
};

interface Sums {
  readonly sum_sent: { readonly bytes: number };
  readonly sum: { readonly lost_packets: number };
}

describe("two terminals", { skip }, () => {
  const scope = new AsyncDisposableStack();
  const folder = mkdtempSync(join(tmpdir(), "ferrule-two-ends-"));
  const wire = join(folder, "wire.pcapng");
  const host = join(folder, "host.pcap");
  let a: NamedNamespace;
  let b: NamedNamespace;
  let ferrule: Background;
  let tcpdump: Background;

  before(async () => {
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    a = scope.use(await NamedNamespace.create(`fe-a-${process.pid}`));
    b = scope.use(await NamedNamespace.create(`fe-b-${process.pid}`));
    const words = ["up", "model:rtl8168h", "--name", HOST, "--wire", `tap:${FAR}`, "--capture", wire, "--json"];
    ferrule = scope.use(start(process.execPath, BIN, ...words));
    await ferrule.waitFor(/"carrier"/);
    await a.take(HOST, "10.77.0.1/24");
    await b.take(FAR, `${TARGET}/24`);
    tcpdump = scope.use(a.start("tcpdump", "-i", HOST, "-w", host, "-s", "0", "-B", "131072", "-U"));
    await tcpdump.waitFor(/listening on/);
    const server = scope.use(b.start("iperf3", "-s", "--forceflush"));
    await server.waitFor(/listening/i);
  });

  after(() => scope.disposeAsync());

  const iperf = async (...args: string[]): Promise<Sums> =>
    (JSON.parse(await a.run("iperf3", "-c", TARGET, "-J", ...args)) as { end: Sums }).end;

  test("ping", () => pings(a, `-c 100 ${TARGET}`));

  for (const [direction, option] of [
    ["out", "-i1"],
    ["back", "-R"],
  ] as const)
    test(`iperf3, TCP ${direction}`, async () => {
      assert.ok((await iperf("-n", "8M", option)).sum_sent.bytes >= 8e6);
    });

  test("iperf3, UDP both ways without loss", async () => {
    for (const [option, receiver] of [
      ["-i1", b],
      ["-R", a],
    ] as const) {
      const late = await fullSockets(receiver);
      const { sum } = await iperf("-u", "-b", "50M", "-k", DATAGRAMS, option);
      // Packets that a full socket dropped, because iperf3 read too slowly, were not lost by the NIC.
      assert.ok(sum.lost_packets <= (await fullSockets(receiver)) - late, `${sum.lost_packets} packets were lost`);
    }
  });

  test("an idle connection still works afterwards", async () => {
    const script = `exec 3<>/dev/tcp/${TARGET}/7000; sleep 4; echo hello >&3; read -t 250 line <&3; echo got $line`;
    const serve = "require('net').createServer(s=>s.pipe(s)).listen(7000,()=>console.log('ready'))";
    await using echo = b.start(process.execPath, "-e", serve);
    await echo.waitFor(/ready/);
    assert.match(await a.run("bash", "-c", script), /got hello/);
  });

  /** Sets the MTU at both ends. Waits until pings are answered, because some chips renegotiate the link. */
  const setMtu = async (mtu: number): Promise<void> => {
    await run("ip", "-n", a.name, "link", "set", HOST, "mtu", String(mtu));
    await run("ip", "-n", b.name, "link", "set", FAR, "mtu", String(mtu));
    await pings(a, `-c 20 -s ${mtu - 28} -M do ${TARGET}`);
  };

  test("MTU 9000, and back", async () => {
    await setMtu(9000);
    assert.ok((await iperf("-n", "8M")).sum_sent.bytes >= 8e6);
    await setMtu(1500);
  });

  test("nothing was dropped, and the wire carried every byte that tcpdump saw", async () => {
    assert.match(await tcpdump.stop("INT"), /\n0 packets dropped by kernel/);
    const down = JSON.parse((await ferrule.stop("INT")).trim().split("\n").at(-1)!) as {
      statistics: Record<string, number>;
    };
    for (const name of ["sendDrops", "receiveDrops", "wireDrops", "missedFrames", "receiveErrors", "deviceNonsense"])
      assert.equal(down.statistics[name], 0, `${name}: ${JSON.stringify(down.statistics)}`);

    const seen = flowsOf(framesOfPcap(readFileSync(host)));
    const crossed = flowsOf([...readPcapng(readFileSync(wire))].map((packet) => packet.bytes));
    assert.ok(seen.longest > 20_000, "no super-frame left the kernel");
    assert.ok(crossed.longest <= 9018, `a frame on the wire has ${crossed.longest} bytes`);
    assert.ok(seen.flows.size >= 8);
    for (const [key, flow] of seen.flows) {
      const other = crossed.flows.get(key);
      assert.ok(other !== undefined, `flow ${key} is not on the wire`);
      assert.equal(flow.missingFrom(other), 0, `bytes of flow ${key} are missing on the wire`);
    }
  });

  test("tshark finds no malformed frame and no bad checksum on the wire", async () => {
    const check = ["ip", "tcp", "udp"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]);
    const bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0";
    const filter = `${bad} || tcp.checksum.status == 1`;
    const shown = ["tcp.checksum.status", "ip.checksum.status", "udp.checksum.status", "_ws.malformed"];
    const fields = ["-T", "fields", ...shown.flatMap((name) => ["-e", name])];
    const stdout = await run("tshark", "-r", wire, ...check, "-Y", filter, ...fields);
    const lines = stdout.split("\n").filter((line) => line !== "");
    // Every line must report a good TCP checksum, a good IPv4 header checksum (none for IPv6), and a frame that is not
    // malformed.
    assert.deepEqual(
      lines.filter((line) => !/^1\t1?\t\t$/.test(line)),
      [],
    );
    assert.ok(lines.length > 5_000, "too few checksums were verified");
  });
});
