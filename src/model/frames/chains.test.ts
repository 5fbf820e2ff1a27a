/**
 * Sends random frames in random fragments with random offload requests, on chips of each format, and compares the
 * frames on the wire with those of an independent oracle.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Chip, chipNamed } from "#chip/chips.ts";
import { Own, TxInsertTag, TxV1, TxV2 } from "#chip/descriptors.ts";
import { BROADCAST, type Fragment, frame, Guest, TX_RING } from "../guest.test-kit.ts";
import { ipv4Tcp, ipv4Udp, ipv6Tcp, sealed, segmentsOf } from "./packets.test-kit.ts";

const CHIPS = [
  "rtl8169s",
  "rtl8168b",
  "rtl8101e",
  "rtl8168c-3c0",
  "rtl8168evl",
  "rtl8168h",
  "rtl8125a",
  "rtl8126a-64a",
  "rtl8127a",
];
const BUILD = { tcp4: ipv4Tcp, tcp6: ipv6Tcp, udp4: ipv4Udp };
type Kind = keyof typeof BUILD | "other";

interface Job {
  readonly kind: Kind;
  /** Number of payload bytes. No frame is so short that it is padded, because padding is tested separately. */
  readonly payload: number;
  readonly ask: "nothing" | "checksum" | "segments";
  readonly size: number;
  /** A tag in the frame; -1 for none. */
  readonly inside: number;
  /** A tag to insert; -1 for none. */
  readonly insert: number;
  /** Where the frame is divided into fragments, in thousandths of its length. */
  readonly cuts: readonly number[];
}

const tag = fc.constantFrom(-1, -1, 0x5023, 0x0001);
const job: fc.Arbitrary<Job> = fc.record({
  kind: fc.constantFrom<Kind>("tcp4", "tcp4", "tcp6", "udp4", "other"),
  payload: fc.integer({ min: 40, max: 1400 }),
  ask: fc.constantFrom("nothing", "checksum", "segments"),
  size: fc.integer({ min: 47, max: 1300 }),
  inside: tag,
  insert: tag,
  cuts: fc.array(fc.nat(1000), { maxLength: 6 }),
});

const withTag = (bytes: Uint8Array, control: number): Uint8Array =>
  control < 0 ? bytes : Uint8Array.of(...bytes.slice(0, 12), 0x81, 0, control >> 8, control & 0xff, ...bytes.slice(12));

/**
 * The request, reduced to what the chip supports: segmentation only of TCP, checksums only of IP, and in the first
 * format only IPv4.
 */
const supported = ({ ask, kind }: Job, chip: Chip): Job["ask"] => {
  if (kind === "other" || (kind === "tcp6" && chip.profile.frames.transmitFormat === 1)) return "nothing";
  if (ask === "segments" && kind === "udp4") return "checksum";
  return ask;
};

const request = (ask: Job["ask"], job: Job, chip: Chip): { opts1: number; opts2: number } => {
  const insert = job.insert < 0 ? 0 : TxInsertTag | ((job.insert & 0xff) << 8) | (job.insert >> 8);
  const { kind, size } = job;
  const ipv6 = kind === "tcp6";
  const transport = (ipv6 ? 54 : 34) + (job.inside < 0 ? 0 : 4);
  if (ask === "nothing") return { opts1: 0, opts2: insert };
  if (chip.profile.frames.transmitFormat === 1) {
    const sums = TxV1.ipChecksum | (kind === "udp4" ? TxV1.udpChecksum : TxV1.tcpChecksum);
    return { opts1: ask === "segments" ? TxV1.segment | (size << TxV1.segmentSizeShift) : sums, opts2: insert };
  }
  if (ask === "segments")
    return {
      opts1: (ipv6 ? TxV2.segment6 : TxV2.segment4) | (transport << TxV2.segmentOffsetShift),
      opts2: insert | (size << TxV2.segmentSizeShift),
    };
  const sums = (ipv6 ? TxV2.ipv6Checksum : TxV2.ipv4Checksum) | (kind === "udp4" ? TxV2.udpChecksum : TxV2.tcpChecksum);
  return { opts1: 0, opts2: insert | sums | (transport << TxV2.checksumOffsetShift) };
};

const oracle = (ask: Job["ask"], job: Job, plain: Uint8Array): Uint8Array[] => {
  const ipv6 = job.kind === "tcp6";
  const frames =
    ask === "segments"
      ? segmentsOf(plain, ipv6 ? 54 : 34, job.size)
      : [ask === "checksum" ? sealed(plain.slice()) : plain];
  return frames.map((bytes) => withTag(withTag(bytes, job.inside), job.insert));
};

const fragments = (bytes: Uint8Array, job: Job, options: { opts1: number; opts2: number }): Fragment[] => {
  const places = [0, ...job.cuts.map((cut) => Math.floor((cut * bytes.length) / 1000)), bytes.length].toSorted(
    (a, b) => a - b,
  );
  const pieces = places.slice(1).map((end, i) => bytes.slice(places[i], end));
  return pieces.filter(({ length }) => length > 0).map((piece) => ({ bytes: piece, ...options }));
};

test("each frame is sent in order, with the checksums, segments and tags that its descriptors request", () => {
  let segments = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...CHIPS),
      fc.array(job, { minLength: 1, maxLength: 12 }),
      fc.boolean(),
      (key, jobs, onebell) => {
        const chip = chipNamed(key)!;
        const guest = new Guest({ chip });
        guest.bringUp();
        const expected: Uint8Array[] = [];
        let used = 0;
        for (const job of jobs) {
          const ask = supported(job, chip);
          const plain =
            job.kind === "other"
              ? frame(BROADCAST, 14 + job.payload)
              : BUILD[job.kind]({ payload: job.payload, flags: 0x99 });
          const made = oracle(ask, job, plain);
          // The limits of the 8168E-VL, and the padding of short last segments, are tested separately.
          if (made.some(({ length }) => length < 64) || (ask === "segments" && chip.profile.frames.segmentsPlainOnly))
            continue;
          const pieces = fragments(withTag(plain, job.inside), job, request(ask, job, chip));
          used += pieces.length;
          expected.push(...made);
          if (onebell) guest.put(...pieces);
          else guest.send(...pieces);
          if (ask === "segments") segments += made.length;
        }
        if (onebell && used > 0) guest.ring();
        assert.equal(guest.cable.frames.length, expected.length);
        for (const [i, sent] of guest.cable.frames.entries()) assert.deepEqual(sent, expected[i], `frame ${i}`);
        for (let i = 0; i < used; i++) assert.equal(guest.descriptor(TX_RING, i).opts1 & Own, 0);
        assert.deepEqual(
          [guest.nic.counters.txErrors, guest.nic.offences.frame, guest.nic.offences.fragments],
          [0, 0, 0],
        );
      },
    ),
    { seed: 20_270_401, numRuns: 300 },
  );
  assert.ok(segments > 500, `only ${segments} segments`);
});

test("the 8169S, the 8168B and the 8101E have the first transmit format, later chips the second", () => {
  const first: readonly string[] = [
    "rtl8169s",
    "rtl8110s",
    "rtl8169sb",
    "rtl8169sc-180",
    "rtl8169sc-980",
    "rtl8168b",
    "rtl8101e",
  ];
  for (const key of CHIPS) {
    const chip = chipNamed(key)!;
    assert.equal(chip.profile.frames.transmitFormat, first.includes(key) ? 1 : 2, key);
  }
});
