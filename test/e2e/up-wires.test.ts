/** `ferrule up` with every kind of wire: two NICs on one cable, the responder, a TAP, a replayed capture. */
import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { readPcapng } from "#wire/pcapng-reader.ts";
import type { Background } from "../rigs/background.ts";
import { eventually } from "../rigs/eventually.ts";
import { NamedNamespace, pings } from "../rigs/netns.ts";
import { noTwoEnds } from "../rigs/skip.ts";

const BIN = fileURLToPath(new URL("../../bin/ferrule.mjs", import.meta.url));
let made = 0;

/** A namespace with a NIC in it, which `ferrule up` drives. */
interface Station {
  readonly namespace: NamedNamespace;
  readonly ferrule: Background;
}

const station = async (scope: AsyncDisposableStack, address: string, ...options: string[]): Promise<Station> => {
  const name = `fe-w-${process.pid}-${made++}`;
  const namespace = scope.use(await NamedNamespace.create(name));
  const words = ["up", "model:rtl8168h", "--name", "fe0", "--json", ...options];
  const ferrule = scope.use(namespace.start(process.execPath, BIN, ...words));
  await ferrule.waitFor(/"event":"up"/);
  await namespace.run("ip", "address", "add", `${address}/24`, "dev", "fe0");
  await namespace.run("ip", "link", "set", "fe0", "up");
  return { namespace, ferrule };
};

/** Ends `ferrule up`; returns its final counters. */
const lastCounters = async (ferrule: Background): Promise<Record<string, number>> => {
  const events = (await ferrule.stop("INT")).trim().split("\n");
  return (JSON.parse(events.at(-1)!) as { statistics: Record<string, number> }).statistics;
};

const folderOn = (scope: AsyncDisposableStack): string => {
  const folder = mkdtempSync(join(tmpdir(), "ferrule-wires-"));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

const words = (...values: readonly number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);

/** A classic pcap file that contains these frames and ends in the middle of one more. */
const brokenPcap = (frames: readonly Uint8Array[]): Uint8Array => {
  const header = words(0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1);
  const packets = frames.flatMap((frame, i) => [words(i, 0, frame.length, frame.length), frame]);
  return Buffer.concat([header, ...packets, words(frames.length, 0, 60, 60)]);
};

/** Both ends of a cable between two NICs, in the syntax of `--wire`. */
const CABLES: readonly (readonly [string, (folder: string) => readonly [string, string]])[] = [
  ["a stream socket", (folder) => [`unix:${folder}/wire,listen`, `unix:${folder}/wire`]],
  ["datagram sockets", (folder) => [`unix:${folder}/a,dgram=${folder}/b`, `unix:${folder}/b,dgram=${folder}/a`]],
];

describe("ferrule up", { skip: noTwoEnds(["ip", "ping", "setpriv"]) }, () => {
  for (const [cable, ends] of CABLES)
    test(`two NICs reach each other over ${cable}, and the link follows the cable`, async () => {
      await using scope = new AsyncDisposableStack();
      const [one, other] = ends(folderOn(scope));
      const a = await station(scope, "10.77.1.1", "--wire", one, "--socket-mode", "660");
      const b = await station(scope, "10.77.1.2", "--wire", other);
      for (const { ferrule } of [a, b]) await ferrule.waitFor(/"event":"carrier","interface":"fe0","up":true/);
      await pings(a.namespace, "-c 20 -s 1472 -M do 10.77.1.2");
      const { sentFrames, sendDrops } = await lastCounters(b.ferrule);
      assert.ok(sentFrames! >= 20);
      assert.equal(sendDrops, 0);
      // Only by sending a frame does a NIC notice that nobody reads the other end of a datagram socket.
      await a.namespace.run("sh", "-c", "ping -c 1 -w 1 10.77.1.2 || true");
      await a.ferrule.waitFor(/"event":"wire","interface":"fe0","plugged":false/);
      await a.ferrule.waitFor(/"event":"carrier","interface":"fe0","up":false/);
      assert.equal((await lastCounters(a.ferrule))["offences"], 0);
    });

  test("a socket at which the wire listens has the requested permissions, and is removed at the end", async () => {
    await using scope = new AsyncDisposableStack();
    const path = join(folderOn(scope), "wire");
    const a = await station(scope, "10.77.1.1", "--wire", `unix:${path},listen`, "--socket-mode", "660");
    assert.equal(statSync(path).mode & 0o777, 0o660);
    await a.ferrule.stop("INT");
    assert.equal(statSync(path, { throwIfNoEntry: false }), undefined);
  });

  test("the responder answers pings", async () => {
    await using scope = new AsyncDisposableStack();
    const a = await station(scope, "10.70.0.1", "--wire", "responder");
    await a.ferrule.waitFor(/"event":"carrier"/);
    await pings(a.namespace, "-c 20 10.70.0.2");
    assert.equal((await lastCounters(a.ferrule))["wireDrops"], 0);
  });

  test("a NIC's frames are recorded and replayed to another NIC, with a warning for damaged ones", async () => {
    await using scope = new AsyncDisposableStack();
    const record = join(folderOn(scope), "sent.pcapng");
    const a = await station(scope, "10.77.1.1", "--wire", `pcap:,record=${record}`);
    await a.ferrule.waitFor(/"event":"carrier"/);
    // The NIC sends ARP requests, because no station answers.
    await a.namespace.run("sh", "-c", "ping -c 2 -w 2 10.77.1.2 || true");
    const { wireSentFrames } = await lastCounters(a.ferrule);
    const sent = [...readPcapng(readFileSync(record))];
    assert.ok(sent.length > 0);
    // One frame may have been sent while the NIC was stopped, after its counters were read.
    const uncounted = sent.length - wireSentFrames!;
    assert.ok(uncounted === 0 || uncounted === 1, `${sent.length} recorded, ${wireSentFrames} counted`);

    const seen = join(folderOn(scope), "seen.pcapng");
    const replayed = join(folderOn(scope), "sent.pcap");
    writeFileSync(replayed, brokenPcap(sent.map(({ bytes }) => bytes)));
    const b = await station(scope, "10.77.1.2", "--wire", `pcap:${replayed},rate=max`, "--capture", seen);
    await b.ferrule.waitFor(/"event":"warning"/);
    await b.ferrule.waitFor(/"event":"carrier"/);
    await eventually(
      () => `${sent.length} frames in ${seen}`,
      () => [...readPcapng(readFileSync(seen))].length >= sent.length || undefined,
    );
    const { wireReceivedFrames, wireDrops } = await lastCounters(b.ferrule);
    assert.ok(wireReceivedFrames! > 0);
    assert.equal(wireDrops, 0);
  });
});
