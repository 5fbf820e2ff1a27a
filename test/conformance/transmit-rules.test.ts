/**
 * Tests that every chip sends a host's frames in the same form, because software works around the faults of each chip.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as fc from "fast-check";
import { PTP_EVENT_PORT } from "#driver/offload-rules.ts";
import { FRAME_WORDS, NO_BUFFER, Send } from "#kit/link.ts";
import { ffiProblem } from "#sys/ffi.ts";
import { hostFrame, traffic } from "../rigs/host-traffic.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { DIES } from "../rigs/generations.ts";
import { openTransmitter } from "../rigs/transmitter.ts";

const skip = ffiProblem()?.message ?? false;
const SEED = 20_261_130;

/** A chip that sends every frame of a host correctly without help from software. */
const FAULTLESS = "rtl8168h";

/** Asserts that a frame is sent unchanged, followed only by zeros, and has at most `maxPadding` bytes in all. */
const assertPadded = (sent: Uint8Array, expected: Uint8Array, maxPadding: number): void => {
  assert.ok(sent.length >= expected.length && sent.length <= maxPadding, `${sent.length} bytes for ${expected.length}`);
  assert.deepEqual(sent.subarray(0, expected.length), expected);
  assert.ok(sent.subarray(expected.length).every((byte) => byte === 0));
};

for (const chip of DIES)
  describe(chip.key, { skip }, () => {
    test("frames of a host are sent as by a chip without faults", () => {
      using reference = openTransmitter(FAULTLESS);
      using rig = openTransmitter(chip.key);
      fc.assert(
        fc.property(fc.array(traffic, { minLength: 1, maxLength: 8 }), (jobs) => {
          const frames = jobs.map(hostFrame);
          const expected = reference.send(frames);
          const sent = rig.send(frames);
          assert.equal(sent.length, expected.length);
          // Some chips hang on certain UDP datagrams of fewer than 47 bytes, so the driver pads these.
          const more = chip.profile.frames.hangsOnShortUdp ? 47 : 0;
          for (const [i, frame] of sent.entries()) assertPadded(frame, expected[i]!, expected[i]!.length + more);
        }),
        { seed: SEED, numRuns: 60 },
      );
    });

    test("a short frame is padded in the same way, wherever in a burst it is", () => {
      using transmitter = openTransmitter(chip.key);
      const { rig, arena } = transmitter;
      const { link } = rig.nic.rings;
      const place = (frame: Uint8Array, entry: number): void => {
        const at = arena + entry * 1000;
        rig.dma.window.bytes.set(frame, at);
        link.burst.set([at, frame.length, 0, 0], entry * FRAME_WORDS);
      };
      const short = udp(ends(), payload(18));
      // The 8125A and 8125B need longer datagrams to the port of PTP event messages.
      short.set([PTP_EVENT_PORT >> 8, PTP_EVENT_PORT & 0xff], 36);
      place(short, 0);
      assert.equal(link.transmit(0, 1), 1);
      const alone = rig.sent.pop()!;
      place(udp(ends(), payload(200)), 0);
      place(short, 1);
      assert.equal(link.transmit(0, 2), 2);
      assert.deepEqual(rig.sent.pop(), alone);
    });

    test("a frame of any length in any fragments is padded with zeros, and no byte after it is sent", () => {
      using transmitter = openTransmitter(chip.key);
      const { rig, arena } = transmitter;
      const { link } = rig.nic.rings;
      const held = new Int32Array(rig.nic.slots).fill(NO_BUFFER);
      let slot = 0;
      const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
      fc.assert(
        fc.property(lengths, fc.constantFrom(-1, 0x5023), (pieces, tag) => {
          const length = pieces.reduce((a, b) => a + b);
          fc.pre(length >= 14);
          const frame = payload(length);
          let at = 0;
          for (const [i, piece] of pieces.entries()) {
            const place = arena + i * 100;
            rig.dma.window.bytes.fill(0xee, place, place + 100).set(frame.subarray(at, at + piece), place);
            const flags = (i < pieces.length - 1 ? Send.more : 0) | (tag < 0 ? 0 : Send.tag);
            link.burst.set([place, piece, flags, Math.max(tag, 0)], i * FRAME_WORDS);
            at += piece;
          }
          assert.equal(link.transmit(0, pieces.length), pieces.length);
          // The driver later returns the buffer of every fragment, even if it sent a copy of the fragment.
          for (const i of pieces.keys()) {
            assert.equal(link.burst[i * FRAME_WORDS], held[slot]);
            held[slot] = arena + i * 100;
            slot = (slot + 1) % held.length;
          }
          const sent = rig.sent.pop();
          const plain = tag < 0 ? sent! : Uint8Array.of(...sent!.subarray(0, 12), ...sent!.subarray(16));
          assertPadded(plain, frame, Math.max(60, length));
          assert.ok(sent!.length >= 60);
        }),
        { seed: SEED, numRuns: 200 },
      );
    });
  });

test("checksums of jumbo frames are computed by the chip if it can, and otherwise by software", { skip }, () => {
  for (const chip of DIES.filter(({ largestMtu }) => largestMtu >= 4000)) {
    using rig = openTransmitter(chip.key, 4000);
    const jobs = fc.sample(traffic, { seed: SEED, numRuns: 40 });
    const long = jobs.map((job) => hostFrame({ ...job, ask: "checksum", payload: 1600 + (job.payload % 2000) }));
    for (const host of long) {
      const [sent, ...rest] = rig.send([host]);
      assert.deepEqual([sent!.length, rest], [host.frame.length, []]);
    }
    const { checksumsJumbo } = chip.profile.frames;
    assert.equal(rig.out.softwareSums < long.length, checksumsJumbo, chip.key);
  }
});
