/**
 * What a person does with two terminals: `ferrule up`, the two ends in two network namespaces, and traffic of every kind;
 * then the wire's capture is held against what tcpdump saw on the interface. VLANs are in vlan.test.ts.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { readPcapng } from "#wire/pcapng-reader.ts";
import { flowsOf, framesOfPcap } from "../rigs/flows.ts";
import { noTwoEnds } from "../rigs/skip.ts";

const run = promisify(execFile);
const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
const A = `fe-a-${process.pid}`;
const B = `fe-b-${process.pid}`;
const HOST = `fe${process.pid % 10_000}`;
const FAR = `${HOST}w`;

const skip = noTwoEnds(["ip", "ping", "iperf3", "tcpdump", "tshark"]);

const on = async (namespace: string, program: string, ...args: string[]): Promise<string> => {
  const { stdout } = await run("ip", ["netns", "exec", namespace, program, ...args], {
    maxBuffer: 1 << 26,
    timeout: 60_000,
  });
  return stdout;
};
const ip = (...args: string[]) => run("ip", args, { timeout: 10_000 });

/** Ends a child of ours and waits until it has gone. */
const end = async (child: ChildProcess, signal: NodeJS.Signals = "SIGINT"): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await Promise.race([gone, setTimeout(10_000)]);
  if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
};

/** Resolves when `child` has said something that matches. */
const says = (child: ChildProcess, pattern: RegExp, limitMillis = 15_000): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let heard = "";
  const listen = (chunk: Buffer): void => {
    heard += chunk.toString();
    if (pattern.test(heard)) resolve();
  };
  child.stdout?.on("data", listen);
  child.stderr?.on("data", listen);
  child.once("exit", () => reject(new Error(`ended before it said ${pattern}: ${heard}`)));
  void setTimeout(limitMillis, undefined, { ref: false }).then(() =>
    reject(new Error(`never said ${pattern}: ${heard}`)),
  );
  return promise;
};

/** UDP packets that a namespace's sockets had no room for. */
const fullSockets = async (namespace: string): Promise<number> => {
  const [names = "", values = ""] = (await on(namespace, "cat", "/proc/net/snmp")).match(/^Udp: .*$/gm) ?? [];
  return Number(values.split(" ")[names.split(" ").indexOf("RcvbufErrors")]);
};

const pings = async (target: string, ...options: string[]): Promise<void> => {
  const said = await on(A, "ping", "-q", "-i", "0.01", ...options, target);
  assert.match(said, / 0% packet loss/, said);
};

describe("two terminals", { skip, timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-two-ends-"));
  const wire = join(folder, "wire.pcapng");
  const host = join(folder, "host.pcap");
  let ferrule: ChildProcess;
  let server: ChildProcess;
  let tcpdump: ChildProcess;
  let last = "";

  before(async () => {
    await ip("netns", "add", A);
    await ip("netns", "add", B);
    ferrule = spawn(
      process.execPath,
      [BIN, "up", "model:rtl8168h", "--name", HOST, "--wire", `tap:${FAR}`, "--capture", wire, "--json"],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    ferrule.stdout!.on("data", (chunk: Buffer) => (last += chunk.toString()));
    await says(ferrule, /"carrier"/);
    for (const [name, namespace, address] of [
      [HOST, A, "10.77.0.1"],
      [FAR, B, "10.77.0.2"],
    ] as const) {
      await ip("link", "set", name, "netns", namespace);
      await ip("-n", namespace, "addr", "add", `${address}/24`, "dev", name);
      await ip("-n", namespace, "link", "set", name, "up");
    }
    tcpdump = spawn("ip", ["netns", "exec", A, "tcpdump", "-i", HOST, "-w", host, "-s", "0", "-B", "131072", "-U"], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    await says(tcpdump, /listening on/);
    server = spawn("ip", ["netns", "exec", B, "iperf3", "-s", "--forceflush"], { stdio: ["ignore", "pipe", "pipe"] });
    await says(server, /listening/i);
  });

  after(async () => {
    for (const child of [server, tcpdump, ferrule]) await end(child);
    for (const namespace of [A, B]) await ip("netns", "del", namespace).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  });

  test("ping", () => pings("10.77.0.2", "-c", "100"));

  for (const [direction, option] of [
    ["out", "-i1"],
    ["back", "-R"],
  ] as const)
    test(`iperf3, TCP ${direction}`, async () => {
      const said = await on(A, "iperf3", "-c", "10.77.0.2", "-n", "32M", "-J", option);
      const { end: sums } = JSON.parse(said) as { end: { sum_received: { bytes: number } } };
      assert.ok(sums.sum_received.bytes > 20e6);
    });

  test("iperf3, UDP both ways without loss", async () => {
    for (const [option, receiver] of [
      ["-i1", B],
      ["-R", A],
    ] as const) {
      const late = await fullSockets(receiver);
      const said = await on(A, "iperf3", "-u", "-b", "50M", "-c", "10.77.0.2", "-t", "2", "-J", option);
      const { end: sums } = JSON.parse(said) as { end: { sum: { lost_packets: number; packets: number } } };
      assert.ok(sums.sum.packets > 1000);
      // What a program was too late to read from its socket had arrived.
      assert.ok(sums.sum.lost_packets <= (await fullSockets(receiver)) - late, `${sums.sum.lost_packets} lost`);
    }
  });

  test("a connection that idles still works afterwards", async () => {
    const script = "exec 3<>/dev/tcp/10.77.0.2/7000; sleep 4; echo hello >&3; read -t 5 line <&3; echo got $line";
    const echo = spawn(
      "ip",
      [
        "netns",
        "exec",
        B,
        process.execPath,
        "-e",
        "require('net').createServer(s=>s.pipe(s)).listen(7000,()=>console.log('ready'))",
      ],
      {
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    await says(echo, /ready/);
    assert.match(await on(A, "bash", "-c", script), /got hello/);
    await end(echo, "SIGTERM");
  });

  test("MTU 9000, and back", async () => {
    await ip("-n", A, "link", "set", HOST, "mtu", "9000");
    await ip("-n", B, "link", "set", FAR, "mtu", "9000");
    await setTimeout(1500);
    await pings("10.77.0.2", "-c", "20", "-s", "8972", "-M", "do");
    const said = await on(A, "iperf3", "-c", "10.77.0.2", "-n", "32M", "-J");
    assert.ok((JSON.parse(said) as { end: { sum_received: { bytes: number } } }).end.sum_received.bytes > 20e6);
    await ip("-n", A, "link", "set", HOST, "mtu", "1500");
    await ip("-n", B, "link", "set", FAR, "mtu", "1500");
    await setTimeout(1500);
    await pings("10.77.0.2", "-c", "20");
  });

  test("nothing was dropped, and the wire carried every byte that tcpdump saw", async () => {
    await setTimeout(500);
    await end(server);
    let dumped = "";
    tcpdump.stderr!.on("data", (chunk: Buffer) => (dumped += chunk.toString()));
    await end(tcpdump);
    await end(ferrule);
    assert.match(dumped, /\n0 packets dropped by kernel/, dumped);
    const down = JSON.parse(last.trim().split("\n").at(-1)!) as { statistics: Record<string, number> };
    for (const name of ["sendDrops", "receiveDrops", "wireDrops", "missedFrames", "receiveErrors", "deviceNonsense"])
      assert.equal(down.statistics[name], 0, `${name}: ${JSON.stringify(down.statistics)}`);

    const seen = flowsOf(framesOfPcap(readFileSync(host)));
    const crossed = flowsOf([...readPcapng(readFileSync(wire))].map((packet) => packet.bytes));
    assert.ok(seen.longest > 20_000, "super-frames left the kernel");
    assert.ok(crossed.longest <= 9018, `a frame of ${crossed.longest} bytes on the wire`);
    assert.ok(seen.flows.size >= 8);
    for (const [key, flow] of seen.flows) {
      const other = crossed.flows.get(key);
      assert.ok(other !== undefined, `flow ${key} is not on the wire`);
      assert.equal(flow.missingFrom(other), 0, `flow ${key}: bytes missing on the wire`);
    }
  });

  test("tshark finds no malformed frame and no bad checksum on the wire", async () => {
    const check = ["ip", "tcp", "udp"].flatMap((protocol) => ["-o", `${protocol}.check_checksum:TRUE`]);
    const bad = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0";
    const looked = `${bad} || tcp.checksum.status == 1`;
    const shown = ["tcp.checksum.status", "ip.checksum.status", "udp.checksum.status", "_ws.malformed"];
    const fields = ["-T", "fields", ...shown.flatMap((name) => ["-e", name])];
    const { stdout } = await run("tshark", ["-r", wire, ...check, "-Y", looked, ...fields], {
      maxBuffer: 1 << 28,
      timeout: 200_000,
    });
    const lines = stdout.split("\n").filter((line) => line !== "");
    // Good for TCP, good for IPv4 (IPv6 has none), no UDP, not malformed.
    assert.deepEqual(
      lines.filter((line) => !/^1\t1?\t\t$/.test(line)),
      [],
    );
    assert.ok(lines.length > 10_000, "checksums were verified");
  });
});
