import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildTcpFrame, type Ends } from "./frames.ts";
import { hex } from "./golden.test-kit.ts";
import { newMemory } from "./memory.ts";
import { Direction, PcapngWriter, Resolution } from "./pcapng.ts";
import { segment, type SegmentPort } from "./segment.test-kit.ts";

const writer = (bytes = 4096, snap = 65_535) => {
  const memory = newMemory(bytes);
  memory.bytes.fill(0xa5);
  return new PcapngWriter(memory, snap);
};

test("writes the blocks of a capture file byte for byte", () => {
  const capture = writer();
  assert.ok(capture.section("ferrule"));
  assert.ok(capture.interface("fe0", Resolution.micro));
  const frame = newMemory(8);
  frame.bytes.set(hex("00112233445566"), 1);
  assert.ok(capture.packet(0, Direction.outbound, 1_700_000_000, 123_456_789, frame, 1, 6));
  assert.deepEqual(
    capture.memory.bytes.slice(0, capture.used),
    hex(
      `0a0d0d0a 2c000000 4d3c2b1a 0100 0000 ffffffffffffffff 0400 0700 66657272756c65 00 00000000 2c000000
         01000000 28000000 0100 0000 ffff0000 0200 0300 666530 00 0900 0100 06 000000 00000000 28000000
         06000000 34000000 00000000 240a0600 40222018 06000000 06000000 001122334455 0000 0200 0400 02000000 00000000
         34000000`,
    ),
  );
});

const stampHex = (units: bigint): string => {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint32(0, Number(units / 4_294_967_296n), true);
  bytes.setUint32(4, Number(units % 4_294_967_296n), true);
  return Buffer.from(bytes.buffer).toString("hex");
};

test("nanosecond time stamps are exact from 1970 to 2500", () => {
  for (const seconds of [0, 1, 65_535, 65_536, 1_700_000_001, 4_294_967_295, 16_725_225_600])
    for (const nanoseconds of [0, 1, 999_999_999]) {
      const capture = writer();
      capture.section("");
      capture.interface("", Resolution.nano);
      const at = capture.used + 12;
      capture.packet(0, 0, seconds, nanoseconds, newMemory(4), 0, 4);
      assert.equal(
        Buffer.from(capture.memory.bytes.slice(at, at + 8)).toString("hex"),
        stampHex(BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds)),
      );
    }
});

test("if a block does not fit into the buffer, nothing is written, and the result is false", () => {
  const capture = writer(128);
  assert.ok(capture.section("x") && capture.interface("y", Resolution.nano));
  const { used } = capture;
  const before = capture.memory.bytes.slice();
  assert.equal(capture.packet(0, 0, 0, 0, newMemory(64), 0, 64), false);
  assert.equal(capture.section("a long application name that leaves no room"), false);
  assert.equal(capture.interface("a long interface name that leaves no room", Resolution.nano), false);
  assert.equal(capture.used, used);
  assert.deepEqual(capture.memory.bytes, before);
});

test("`wholeBlocks` finds the end of the last whole block, and `consume` moves the rest to the front", () => {
  const capture = writer();
  capture.section("x");
  const first = capture.used;
  capture.interface("y", Resolution.nano);
  const second = capture.used;
  const rest = capture.memory.bytes.slice(first, second);
  const ends = [0, first - 1, first, second - 1, second].map((count) => capture.wholeBlocks(count));
  assert.deepEqual(ends, [0, 0, first, first, second]);
  capture.consume(first);
  assert.deepEqual(capture.memory.bytes.slice(0, capture.used), rest);
});

const tshark = spawnSync("tshark", ["--version"]).status === 0 ? false : "tshark is not installed";

test("tshark reads the file, and reports no error for the segments", { skip: tshark }, () => {
  const directory = mkdtempSync(join(tmpdir(), "ferrule-pcapng-"));
  try {
    const capture = writer(1 << 18);
    capture.section("ferrule test");
    capture.interface("wire", Resolution.nano);
    const out = newMemory(2048);
    const port: SegmentPort = {
      ...out,
      reserve: () => 2,
      commit: (length) => assert.ok(capture.packet(0, Direction.outbound, 1_700_000_000, 5, out, 2, length)),
    };
    const MACS = { destination: hex("02005e100002"), source: hex("02005e100001") };
    const v4: Ends = { ...MACS, from: 0xc000_0201, to: 0xc000_0202, tag: 7 };
    const v6: Ends = {
      ...MACS,
      from: hex("20010db8000000000000000000000001"),
      to: hex("20010db8000000000000000000000002"),
    };
    const tcp = {
      sourcePort: 1,
      destinationPort: 2,
      sequence: 5,
      acknowledgement: 3,
      headerLength: 32,
      flags: 0x18,
      window: 7,
    };
    for (const [ends, transport] of [
      [v4, 38],
      [v6, 54],
    ] as const) {
      const memory = newMemory(1 << 16);
      const length = buildTcpFrame(memory, 0, ends, tcp, new Uint8Array(20_000).fill(0x61));
      assert.equal(segment(memory, 0, length, transport === 38 ? 18 : 14, transport, 1448, port), 14);
    }
    const file = join(directory, "segments.pcapng");
    writeFileSync(file, capture.memory.bytes.subarray(0, capture.used));
    const read = (filter: string, ...fields: string[]): string[] =>
      execFileSync(
        "tshark",
        ["-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y", filter].concat(
          ["-T", "fields"],
          fields.flatMap((field) => ["-e", field]),
        ),
        { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
      )
        .split("\n")
        .filter((line) => line !== "");
    assert.equal(read("tcp.checksum.status == 1", "frame.number").length, 28);
    assert.equal(read("ip.checksum.status == 1", "frame.number").length, 14);
    assert.deepEqual(read("_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0", "frame.number"), []);
    const [first] = read(
      "frame.number == 1",
      "frame.time_epoch",
      "frame.interface_name",
      "frame.packet_flags_direction",
    );
    assert.deepEqual(first?.split("\t").slice(0, 2), ["1700000000.000000005", "wire"]);
    assert.match(first ?? "", /(0x0+2|2)$/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
