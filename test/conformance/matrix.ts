/** Sends frames with every combination of offloads, and checks each frame on the wire. */
import assert from "node:assert/strict";
import { Send } from "#kit/link.ts";
import { assertSums, ends, layout, leaveChecksum, payload, tcp, udp } from "../rigs/frames.ts";
import type { Rig } from "../rigs/rig.ts";

/**
 * Tags of a frame: none; one, which the NIC inserts; or two, of which the frame contains the inner one and the NIC
 * inserts the outer one.
 */
export const TAGS = ["untagged", "tagged", "stacked"] as const;
export type Tags = (typeof TAGS)[number];

const OUTER = 0x6123;
const INNER = 0x0045;
const SEGMENT = 1440;

/** Splits a length into three fragments, or leaves it whole. */
const pieces = (length: number, scattered: boolean): readonly number[] | undefined => {
  if (!scattered) return undefined;
  const head = 60;
  const middle = Math.min(16_384, Math.floor((length - head) / 2));
  return [head, middle, length - head - middle];
};

/**
 * Asserts that frames without segmentation are on the wire as software would send them, and that segments have the
 * right data, tags and checksums. Returns the number of frames on the wire.
 *
 * @throws {AssertionError} for a wrong frame; most messages name the combination
 */
export const sendMatrix = (rig: Rig, { v6, tags }: { v6: boolean; tags: Tags }): number => {
  let sent = 0;
  const where = ends({ v6, ...(tags === "stacked" ? { tag: INNER } : {}) });
  const insert = tags === "untagged" ? 0 : Send.tag;
  /** The frame as it appears on the wire, with the outer tag that the NIC inserts. */
  const onWire = (frame: Uint8Array): Uint8Array => {
    if (insert === 0) return frame.slice();
    const tagged = new Uint8Array(frame.length + 4);
    tagged.set(frame.subarray(0, 12));
    tagged.set([0x81, 0x00, OUTER >>> 8, OUTER & 0xff], 12);
    tagged.set(frame.subarray(12), 16);
    return tagged;
  };
  for (const scattered of [false, true])
    for (const checksum of [false, true]) {
      for (const build of [tcp, udp]) {
        const name = `${build.name} ${checksum ? "with" : "without"} checksum, ${scattered ? "scattered" : "whole"}`;
        rig.sent.length = 0;
        const frame = build(where, payload(1001));
        const expected = onWire(frame);
        const ask = checksum ? (build === tcp ? Send.tcpChecksum : Send.udpChecksum) : 0;
        const flags = checksum
          ? ask | (layout(frame).transport << Send.transportOffsetShift) | (v6 ? Send.ipv6 : 0)
          : 0;
        if (checksum) leaveChecksum(frame);
        rig.send(frame, flags | insert, OUTER, pieces(frame.length, scattered));
        rig.poll();
        assert.deepEqual(rig.sent, [expected], name);
        sent++;
      }
      if (!checksum) continue;
      // With these lengths every chip sends the last segment correctly; for other lengths see offload-rules.test.ts.
      for (const length of [SEGMENT + 100, 10 * SEGMENT, 30_001]) {
        rig.sent.length = 0;
        const data = payload(length);
        const frame = tcp(where, data);
        const { transport } = layout(frame);
        leaveChecksum(frame, false);
        const flags = SEGMENT | Send.tcpChecksum | (transport << Send.transportOffsetShift) | (v6 ? Send.ipv6 : 0);
        rig.send(frame, flags | insert, OUTER, pieces(frame.length, scattered));
        rig.poll();
        const name = `${length} bytes of TCP in segments, ${scattered ? "scattered" : "whole"}`;
        assert.equal(rig.sent.length, Math.ceil(length / SEGMENT), name);
        const grown = insert === 0 ? 0 : 4;
        for (const segment of rig.sent) {
          if (insert !== 0) assert.deepEqual([...segment.subarray(12, 16)], [0x81, 0, OUTER >>> 8, OUTER & 0xff], name);
          assertSums(segment);
        }
        const stream = rig.sent.flatMap((segment) => [...segment.subarray(transport + grown + 20)]);
        assert.deepEqual(Uint8Array.from(stream.slice(0, length)), data, name);
        sent += rig.sent.length;
      }
    }
  return sent;
};
