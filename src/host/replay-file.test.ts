import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { flags, frame, pcap, Section } from "#wire/captures.test-kit.ts";
import { loadReplay, ReplayFailed } from "./replay-file.ts";
import type { Replay } from "./replay.ts";

const directory = mkdtempSync(join(tmpdir(), "ferrule replay's-"));
after(() => rmSync(directory, { recursive: true }));
const MAX_FRAME = 9212;

interface Played {
  readonly lengths: readonly number[];
  readonly times: readonly number[];
  readonly warnings: readonly string[];
  readonly hints: readonly string[];
}

const lengthsOf = ({ places }: Replay): number[] => [...places].filter((_, i) => i % 2 === 1);

const play = (bytes: Uint8Array, name = "capture"): Played => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return playFile(path);
};

const playFile = (path: string): Played => {
  const warnings: string[] = [];
  const hints: string[] = [];
  const replay = loadReplay(path, MAX_FRAME, ({ message, hint }) => {
    assert.ok(message.startsWith(`replay of ${path}: `));
    warnings.push(message.slice(`replay of ${path}: `.length));
    hints.push(hint);
  });
  return { lengths: lengthsOf(replay), times: [...replay.times], warnings, hints };
};

const refusal = (path: string): ReplayFailed => {
  try {
    loadReplay(path, MAX_FRAME, assert.fail);
  } catch (error) {
    assert.ok(error instanceof ReplayFailed, String(error));
    return error;
  }
  return assert.fail(`${path} was accepted`);
};

const refused = (bytes: Uint8Array, name = "capture"): ReplayFailed => {
  const path = join(directory, name);
  writeFileSync(path, bytes);
  return refusal(path);
};

const SILENT = { warnings: [], hints: [] };

test("an obsolete packet block is a packet", () => {
  assert.deepEqual(play(new Section().interface().obsolete(1).bytes), { lengths: [60], times: [0], ...SILENT });
});

const mixed = (): Section => new Section().interface().interface(113);

test("only packets of interfaces with another link type are omitted, and reported", () => {
  assert.deepEqual(play(mixed().packet(1).bytes), { lengths: [60], times: [0], ...SILENT });
  const { lengths, warnings } = play(mixed().packet(1).packet(2, frame(), { id: 1 }).bytes);
  assert.deepEqual(lengths, [60]);
  assert.deepEqual(warnings, ["1 of 2 packets left out: 1 not Ethernet (link type 113, Linux cooked)"]);
});

test("an FCS that the file declares is removed", () => {
  assert.deepEqual(play(pcap([{ bytes: frame(64) }], { link: 0x2400_0001 })).lengths, [60]);
});

test("a packet longer than its length on the wire is truncated; one with length 0 on the wire is reported", () => {
  assert.deepEqual(play(pcap([{}, { bytes: frame(76), original: 60 }])), {
    lengths: [60, 60],
    times: [0, 0],
    ...SILENT,
  });
  const { lengths, warnings } = play(pcap([{}, { original: 0 }]));
  assert.deepEqual(lengths, [60]);
  assert.deepEqual(warnings, ["1 of 2 packets left out: 1 with an original length of 0"]);
  assert.match(refused(pcap([{ original: 0 }])).message, /can be delivered: 1 with an original length of 0/);
});

test("packets without a time are sent at once; pauses of years are shortened and reported", () => {
  assert.deepEqual(play(new Section().interface().simple().packet(1.7e15).bytes).times, [0, 0]);
  const { times, warnings } = play(pcap([{ seconds: 1 }, { seconds: 1_700_000_000 }, { seconds: 1_700_000_001 }]));
  assert.deepEqual(times, [0, 60e6, 61e6]);
  assert.deepEqual(warnings, ["1 pause of more than 60 s shortened to this limit"]);
});

test("super-frames are reported: too long for the NIC, or without a length in IPv4", () => {
  const unsized = frame(3000);
  unsized.set([8, 0, 0x45, 0, 0, 0], 12);
  const { lengths, warnings, hints } = play(pcap([{}, { bytes: frame(14_534) }, { bytes: unsized }]));
  assert.deepEqual(lengths, [60, 14_534, 3000]);
  assert.match(
    warnings[0]!,
    /^2 super-frames .* that cannot have been on a wire; the NIC rejects those that are too long$/,
  );
  assert.match(hints[0]!, /ethtool -K NAME gro off/);
});

test("nanoseconds in a file with the magic number of microseconds are read as nanoseconds", () => {
  const { times } = play(
    pcap([
      { seconds: 5, fraction: 999_999_000 },
      { seconds: 6, fraction: 1000 },
      { seconds: 7, fraction: 2000 },
    ]),
  );
  assert.deepEqual(times, [0, 2, 1_000_003]);
});

test("a truncated file is replayed up to its end, with a warning", () => {
  for (const [bytes, torn] of [
    [pcap([{}, {}]), /^it ends prematurely after 1 packet \(capture file, byte 100: the file ends inside a packet\)$/],
    [
      new Section().interface().packet(1).packet(2).bytes,
      /^it ends prematurely after 1 packet \(.* ends inside a block\)$/,
    ],
  ] as const) {
    const { lengths, warnings } = play(bytes.subarray(0, bytes.length - 10));
    assert.deepEqual(lengths, [60]);
    assert.match(warnings[0]!, torn);
  }
});

test("only unreadable blocks are omitted, with a warning", () => {
  const { lengths, warnings } = play(
    new Section().interface().packet(1, frame(), { id: 9 }).packet(2, frame(61)).bytes,
  );
  assert.deepEqual(lengths, [61]);
  assert.match(warnings[0]!, /^1 unreadable block left out, the first: .* interface 9/);
});

test("the error says why no frame of a file can be delivered, or that the file has none", () => {
  const out = new Section()
    .interface()
    .packet(1, frame(), { options: [flags(2)] })
    .packet(2, frame(), { original: 61 });
  const { message } = refused(out.bytes);
  assert.match(message, /delivered: 1 sent by the capturing interface itself, 1 truncated by the capture$/);
  assert.match(refused(pcap([])).message, /it has no packets/);
  assert.match(refused(new Uint8Array(0)).message, /the file is empty/);
});

const NO_FILES = "Devices and pipes may have no end.";

test("anything but a regular file is rejected at once, without waiting for a writer or reading forever", async () => {
  const fifo = join(directory, "fifo");
  execFileSync("mkfifo", [fifo]);
  assert.match(refusal(fifo).message, /it is a pipe$/, NO_FILES);
  assert.match(refusal(fifo).hint, /: cat '.*fifo' > OUT$/);
  assert.match(refusal("/dev/zero").message, /it is a device$/, NO_FILES);
  assert.match(refusal(directory).message, /it is a directory$/, NO_FILES);
  const socket = join(directory, "socket");
  await using server = createServer().listen(socket);
  await once(server, "listening");
  assert.match(refusal(socket).message, /ENXIO$/);
  assert.match(refusal(join(directory, "none")).message, /ENOENT$/);
});

test("a file that is longer than its stated size is not read further", { skip: !existsSync("/proc/kmsg") }, () => {
  assert.match(refusal("/proc/self/status").message, /the file is empty/);
});

/** Runs the command in a hint with a shell, with OUT replaced by a file name. */
const follow = (hint: string): string => {
  const made = join(directory, "made");
  const command = hint
    .replace(/^.*?: (?=gunzip|zstd|xz|bunzip2|editcap|tshark|reordercap)/, "")
    .replace(/\bOUT\b/, "made");
  rmSync(made, { force: true });
  const { status, stderr } = spawnSync("sh", ["-c", command], { cwd: directory, encoding: "utf8" });
  assert.equal(status, 0, `${command}: ${stderr}`);
  return made;
};

const missing = (...tools: readonly string[]): string | false => {
  const absent = tools.filter((tool) => spawnSync("sh", ["-c", `command -v ${tool}`]).status !== 0);
  return absent.length > 0 && `needs ${absent.join(", ")}`;
};

const GOOD = pcap([{ bytes: frame(70) }]);

for (const [tool, packer] of [
  ["gzip", "gzip -c"],
  ["zstd", "zstd -qc"],
  ["xz", "xz -c"],
  ["bzip2", "bzip2 -c"],
] as const)
  void test(`the hint for a file compressed with ${tool} unpacks it`, { skip: missing(tool) }, () => {
    const packed = execFileSync("sh", ["-c", packer], { input: GOOD });
    const { message, hint } = refused(packed, "it's packed.pcap");
    assert.match(message, new RegExp(`it is compressed with ${tool}$`));
    assert.deepEqual(playFile(follow(hint)).lengths, [70]);
  });

test("the hint for a snoop file converts it", { skip: missing("editcap") }, () => {
  const path = join(directory, "a.snoop");
  play(GOOD, "good");
  execFileSync("editcap", ["-F", "snoop", join(directory, "good"), path]);
  const { message, hint } = refusal(path);
  assert.match(message, /it is a snoop file$/);
  assert.deepEqual(playFile(follow(hint)).lengths, [70]);
});

test("the hint for a file of unknown format converts what Wireshark can read", { skip: missing("editcap") }, () => {
  const path = join(directory, "a.nettl");
  play(GOOD, "good");
  execFileSync("editcap", ["-F", "5views", join(directory, "good"), path]);
  assert.deepEqual(playFile(follow(refusal(path).hint)).lengths, [70]);
});

test("the hint for packets that the interface sent includes them", { skip: missing("editcap") }, () => {
  const sent = new Section().interface().packet(1, frame(70), { options: [flags(2)] }).bytes;
  assert.deepEqual(playFile(follow(refused(sent).hint)).lengths, [70]);
});

test("the hint for steps back in time sorts the file", { skip: missing("reordercap") }, () => {
  const { warnings, hints, lengths } = play(
    pcap([
      { seconds: 9, bytes: frame(61) },
      { seconds: 4, bytes: frame(62) },
    ]),
  );
  assert.deepEqual(lengths, [61, 62]);
  assert.deepEqual(warnings, ["1 step back in time; the next frame is sent at once"]);
  assert.deepEqual(playFile(follow(hints[0]!)), { lengths: [62, 61], times: [0, 5e6], ...SILENT });
});

/** An IPv4 packet of 28 bytes, without its link header. */
const IP = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0xb6, 0xd1, 192, 0, 2, 1, 192, 0, 2, 2, 0, 7, 0, 7, 0, 8, 0, 0];
const IP6 = [0x60, 0, 0, 0, 0, 0, 59, 64, ...Array.from({ length: 32 }, () => 1)];
const COOKED = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
const COOKED_2 = [8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];

for (const [link, packet, etherType] of [
  [101, IP, 0x0800],
  [113, [...COOKED, ...IP], 0x0800],
  [229, IP6, 0x86dd],
  [276, [...COOKED_2, ...IP], 0x0800],
] as const)
  void test(
    `the hint for link type ${link} converts it to Ethernet`,
    { skip: missing("editcap", "tshark", "text2pcap") },
    () => {
      const { message, hint } = refused(pcap([{ bytes: Uint8Array.from(packet) }], { link }), "it's cooked");
      assert.match(message, new RegExp(`1 not Ethernet \\(link type ${link}, `));
      const replay = loadReplay(follow(hint), MAX_FRAME, assert.fail);
      const [at, length] = [replay.places[0]!, replay.places[1]!];
      const made = replay.memory.bytes.subarray(at, at + length);
      assert.equal(made[12]! * 256 + made[13]!, etherType);
      const ip = etherType === 0x0800 ? IP : IP6;
      assert.deepEqual([...made.subarray(14, 14 + ip.length)], ip);
    },
  );

test("a file with decryption secrets is replayed", () => {
  const secrets = new Section()
    .block(10, (body) => body.put(4, 0x544c_534b, 5).add([1, 2, 3, 4, 5]))
    .interface()
    .packet(1);
  assert.deepEqual(play(secrets.bytes), { lengths: [60], times: [0], ...SILENT });
});
