import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import * as fc from "fast-check";
import type { Plug } from "#kit/port.ts";
import { ArpOperation, buildArp, parseArp } from "#wire/arp.ts";
import { get16, get32, put16 } from "#wire/bigendian.ts";
import { BULK_HEADER_BYTES, BULK_PORT, buildBulkRequest, EXPECTED, isBulkAnswer, SEQUENCE } from "#wire/bulk.ts";
import { buildEthernet, EtherType, parseEthernet } from "#wire/ethernet.ts";
import { fillTransportChecksum } from "#wire/fill.ts";
import { buildEchoFrame, buildNetwork, buildUdpFrame, type Ends } from "#wire/frames.ts";
import { Icmpv6Type, IcmpType } from "#wire/icmp.ts";
import { Protocol } from "#wire/ipv4.ts";
import { memoryOf, newMemory } from "#wire/memory.ts";
import { slowSum } from "#wire/reference.test-kit.ts";
import { Verified, verify } from "#wire/verify.ts";
import { Responder, RESPONDER_IPV4, RESPONDER_MAC } from "./responder.ts";

const OURS = Uint8Array.of(2, 0, 0x5e, 0x10, 0, 1);
const FAR = Uint8Array.from(RESPONDER_MAC);
const OUR_IPV4 = 0x0a46_0001;
const OUR_IPV6 = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const GOOD_UDP = Verified.ip | Verified.udp | Verified.ipGood | Verified.transportGood;

const bench = (responder = new Responder()) => {
  const received: Uint8Array[] = [];
  const plug: Plug = {
    receive(bytes, offset, length) {
      received.push(bytes.slice(offset, offset + length));
      return true;
    },
  };
  responder.plug(plug);
  const send = (frame: Uint8Array): boolean => {
    const at = responder.reserve(frame.length);
    if (at < 0) return false;
    responder.bytes.set(frame, at);
    responder.commit(frame.length);
    return true;
  };
  const v4: Ends = { destination: FAR, source: OURS, from: OUR_IPV4, to: RESPONDER_IPV4 };
  const v6: Ends = { destination: FAR, source: OURS, from: OUR_IPV6, to: responder.identity.ipv6 };
  /** Sends a frame, and returns the only reply. */
  const ask = (frame: Uint8Array): Uint8Array => {
    assert.ok(send(frame));
    assert.equal(received.length, 0, "delivered inside commit");
    assert.equal(responder.poll(), 1);
    const [answer] = received.splice(0);
    assert.ok(answer !== undefined && answer.length >= 60);
    assert.deepEqual(parseEthernet(answer, 0, 60)?.source, FAR);
    return answer;
  };
  const assertSilent = (frame: Uint8Array): void => {
    send(frame);
    assert.equal(responder.poll(), 0);
  };
  return { responder, received, send, ask, assertSilent, v4, v6 };
};

const frameOf = (build: (memory: ReturnType<typeof newMemory>) => number): Uint8Array => {
  const memory = newMemory(2048);
  const length = build(memory);
  return memory.bytes.slice(0, length);
};
const datagram = (ends: Ends, destinationPort: number, payload: Uint8Array): Uint8Array =>
  frameOf((memory) => buildUdpFrame(memory, 0, ends, { sourcePort: 40_000, destinationPort }, payload));

const arpRequest = (targetIp: number): Uint8Array =>
  frameOf(({ bytes }) => {
    const header = { destination: new Uint8Array(6).fill(0xff), source: OURS, type: EtherType.arp };
    return buildArp(bytes, buildEthernet(bytes, 0, header), {
      operation: ArpOperation.request,
      senderMac: OURS,
      senderIp: OUR_IPV4,
      targetMac: new Uint8Array(6),
      targetIp,
    });
  });

test("the responder replies to ARP for its own address only, padded with zeros to 60 bytes", () => {
  const { ask, assertSilent, responder } = bench();
  const answer = ask(arpRequest(RESPONDER_IPV4));
  assert.equal(answer.length, 60);
  assert.deepEqual(parseArp(answer, 14, 60), {
    operation: ArpOperation.reply,
    senderMac: FAR,
    senderIp: RESPONDER_IPV4,
    targetMac: OURS,
    targetIp: OUR_IPV4,
  });
  assert.ok(answer.subarray(42).every((byte) => byte === 0));
  assertSilent(arpRequest(RESPONDER_IPV4 + 1));
  assert.equal(responder.counts.arp, 1);
  assert.equal(responder.counts.ignored, 1);
});

test("the responder replies to ping with the same data, tagged if the request was", () => {
  const { ask, v4 } = bench();
  const data = Uint8Array.from({ length: 57 }, (_, i) => i);
  for (const ends of [v4, { ...v4, tag: 0x2005 }]) {
    const echo = { type: IcmpType.echoRequest, identifier: 0x77, sequence: 9 };
    const question = frameOf((memory) => buildEchoFrame(memory, 0, ends, echo, data));
    const answer = ask(question.slice());
    const network = ends === v4 ? 14 : 18;
    const expected = frameOf((memory) =>
      buildEchoFrame(
        memory,
        0,
        { ...ends, destination: OURS, source: FAR, from: RESPONDER_IPV4, to: OUR_IPV4 },
        { ...echo, type: IcmpType.echoReply },
        data,
      ),
    );
    assert.deepEqual(answer, expected);
    assert.equal(slowSum(answer, network, 20), 0xffff);
  }
});

test("the responder replies to ping over IPv6", () => {
  const { ask, v6, responder } = bench();
  const echo = { type: Icmpv6Type.echoRequest, identifier: 1, sequence: 2 };
  const answer = ask(frameOf((memory) => buildEchoFrame(memory, 0, v6, echo, new Uint8Array(33).fill(5))));
  assert.equal(answer[54], Icmpv6Type.echoReply);
  assert.deepEqual(answer.slice(22, 38), responder.identity.ipv6);
  assert.equal(slowSum(answer, 54, 41, slowSum(answer, 22, 32) + 58 + 41), 0xffff);
});

const solicitation = (target: Uint8Array, from: Uint8Array, hops: number): Uint8Array =>
  frameOf((memory) => {
    const group = Uint8Array.of(0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...target.slice(13));
    const ends = { destination: Uint8Array.of(0x33, 0x33, 0xff, ...target.slice(13)), source: OURS, from, to: group };
    const at = buildNetwork(memory.bytes, 0, ends, Protocol.icmpv6, 24);
    memory.bytes[21] = hops;
    memory.bytes.set([Icmpv6Type.neighbourSolicitation, 0, 0, 0, 0, 0, 0, 0], at);
    memory.bytes.set(target, at + 8);
    assert.ok(fillTransportChecksum(memory, 14, at, at + 24, Protocol.icmpv6));
    return at + 24;
  });

test("the responder advertises itself to a neighbour that solicits, and to all nodes if that neighbour has no address yet", () => {
  const { ask, assertSilent, responder } = bench();
  const { ipv6 } = responder.identity;
  for (const from of [OUR_IPV6, new Uint8Array(16)]) {
    const anonymous = from[0] === 0;
    const answer = ask(solicitation(ipv6, from, 255));
    assert.deepEqual(answer.slice(0, 6), anonymous ? Uint8Array.of(0x33, 0x33, 0, 0, 0, 1) : OURS);
    assert.deepEqual(answer.slice(22, 38), ipv6);
    assert.equal(answer[38], anonymous ? 0xff : 0xfe);
    assert.equal(get16(answer, 54), 136 << 8);
    assert.equal(answer[58], anonymous ? 0x20 : 0x60);
    assert.deepEqual(answer.slice(62, 78), ipv6);
    assert.deepEqual(answer.slice(78, 86), Uint8Array.of(2, 1, ...FAR));
    assert.equal(slowSum(answer, 54, 32, slowSum(answer, 22, 32) + 58 + 32), 0xffff);
  }
  assertSilent(solicitation(OUR_IPV6, OUR_IPV6, 255));
  assertSilent(solicitation(ipv6, OUR_IPV6, 254));
  assert.equal(responder.counts.neighbour, 2);
});

test("UDP echo returns the payload from the requested port, over IPv4 and IPv6", () => {
  const { ask, v4, v6 } = bench(new Responder({ echoPorts: [7, 9000] }));
  const payload = Uint8Array.from({ length: 1001 }, (_, i) => i * 3);
  for (const port of [7, 9000])
    for (const [ends, transport] of [
      [v4, 34],
      [v6, 54],
    ] as const) {
      const answer = ask(datagram(ends, port, payload));
      assert.equal(verify(memoryOf(answer), 0, answer.length), ends === v6 ? GOOD_UDP | Verified.ipv6 : GOOD_UDP);
      assert.equal(get16(answer, transport), port);
      assert.equal(get16(answer, transport + 2), 40_000);
      assert.deepEqual(answer.slice(transport + 8), payload);
    }
});

const wrong = (frame: Uint8Array, at: number): Uint8Array => {
  frame[at]! ^= 0x10;
  return frame;
};

test("the responder does not reply to damaged frames, but counts them", () => {
  const { assertSilent, responder, v4, v6 } = bench();
  const ping = { identifier: 1, sequence: 1 };
  assertSilent(wrong(datagram(v4, 7, new Uint8Array(20)), 50));
  assertSilent(wrong(datagram(v4, 7, new Uint8Array(20)), 24));
  assertSilent(wrong(datagram(v6, 7, new Uint8Array(20)), 65));
  assertSilent(
    wrong(
      frameOf((m) => buildEchoFrame(m, 0, v4, { ...ping, type: 8 }, new Uint8Array(9))),
      45,
    ),
  );
  assertSilent(
    wrong(
      frameOf((m) => buildEchoFrame(m, 0, v6, { ...ping, type: 128 }, new Uint8Array(9))),
      65,
    ),
  );
  assert.equal(responder.counts.damaged, 5);
  assert.equal(responder.counts.ignored, 0);
});

test("the responder does not reply to frames for other stations, or to frames that must not be answered", () => {
  const { assertSilent, responder, v4 } = bench();
  const payload = new Uint8Array(30);
  assertSilent(datagram({ ...v4, destination: Uint8Array.of(2, 9, 9, 9, 9, 9) }, 7, payload));
  assertSilent(datagram({ ...v4, to: RESPONDER_IPV4 + 5 }, 7, payload));
  assertSilent(datagram({ ...v4, from: 0xe000_0001 }, 7, payload));
  assertSilent(datagram({ ...v4, from: 0 }, 7, payload));
  assertSilent(datagram({ ...v4, source: Uint8Array.of(1, 0, 0x5e, 0, 0, 1) }, 7, payload));
  assertSilent(datagram(v4, 8, payload));
  assertSilent(frameOf((m) => buildUdpFrame(m, 0, v4, { sourcePort: BULK_PORT, destinationPort: 7 }, payload)));
  assertSilent(
    frameOf((m) => buildEchoFrame(m, 0, v4, { type: IcmpType.echoReply, identifier: 1, sequence: 1 }, payload)),
  );
  const fragment = datagram(v4, 7, payload);
  put16(fragment, 20, 0x2000);
  assertSilent(fragment);
  assert.equal(responder.counts.ignored, 9);
});

test("a full queue refuses frames, and accepts frames again once its replies were delivered", () => {
  const { responder, send, received, v4 } = bench(new Responder({ queue: 3, longestFrame: 200 }));
  const frame = datagram(v4, 7, new Uint8Array(20));
  for (let round = 0; round < 5; round++) {
    assert.deepEqual(
      [1, 2, 3, 4].map(() => send(frame)),
      [true, true, true, false],
    );
    assert.equal(responder.poll(), 3);
  }
  assert.equal(send(new Uint8Array(300)), false);
  assert.equal(responder.counts.refused, 6);
  assert.equal(responder.counts.receivedFrames, 15);
  assert.equal(received.length, 15);
});

test("replies to frames that the NIC sends while it receives follow in the next delivery", () => {
  const responder = new Responder();
  const { v4, send } = bench(responder);
  const frame = datagram(v4, 7, new Uint8Array(20));
  let deliveries = 0;
  responder.plug({
    receive() {
      deliveries++;
      assert.ok(send(frame));
      responder.flush();
      return deliveries % 2 === 0;
    },
  });
  send(frame);
  assert.equal(responder.poll(), 1);
  assert.equal(deliveries, 1);
  responder.flush();
  assert.equal(deliveries, 2);
  assert.equal(responder.counts.dropped, 1);
});

test("the responder keeps replies while no NIC is connected", () => {
  const responder = new Responder();
  const frame = arpRequest(RESPONDER_IPV4);
  responder.bytes.set(frame, responder.reserve(frame.length));
  responder.commit(frame.length);
  assert.equal(responder.poll(), 0);
  const received: number[] = [];
  responder.plug({ receive: (_bytes, _offset, length) => received.push(length) > 0 });
  responder.flush();
  assert.deepEqual(received, [60]);
});

test("a bulk stream arrives complete in both directions despite lost frames, and both ends can verify it", () => {
  const { responder, send, received, v4, v6 } = bench();
  for (const ends of [v4, v6]) {
    const far = { received: createHash("sha256"), sent: createHash("sha256") };
    const near = { received: createHash("sha256"), sent: createHash("sha256") };
    responder.bulk.restart(far);
    const payloadAt = (ends === v4 ? 34 : 54) + 8;
    let turn = 0;
    for (let sequence = 0; sequence < 200;) {
      assert.ok(++turn < 1000, `no reply to request ${sequence}`);
      const request = new Uint8Array(BULK_HEADER_BYTES + 700);
      const data = buildBulkRequest(request, 0, sequence, 900);
      request.fill(sequence, data);
      if (turn % 7 !== 0) send(datagram(ends, BULK_PORT, request));
      responder.poll();
      const [answer] = received.splice(0);
      if (answer === undefined || turn % 5 === 0) continue;
      assert.equal(verify(memoryOf(answer), 0, answer.length), ends === v6 ? GOOD_UDP | Verified.ipv6 : GOOD_UDP);
      assert.ok(isBulkAnswer(answer, payloadAt, answer.length - payloadAt));
      assert.equal(get32(answer, payloadAt + SEQUENCE), sequence);
      assert.equal(get32(answer, payloadAt + EXPECTED), sequence + 1);
      near.sent.update(request.subarray(data));
      near.received.update(answer.subarray(payloadAt + BULK_HEADER_BYTES));
      sequence++;
    }
    assert.equal(near.sent.digest("hex"), far.received.digest("hex"));
    assert.equal(near.received.digest("hex"), far.sent.digest("hex"));
    const { datagrams, bytesReceived, bytesSent, repeats } = responder.bulk.progress;
    assert.deepEqual([datagrams, bytesReceived, bytesSent], [200, 140_000, 180_000]);
    assert.ok(repeats > 0);
  }
});

test("hostile frames never throw, and never change another slot", () => {
  const { responder, v4, v6 } = bench(new Responder({ queue: 2, longestFrame: 128 }));
  const bases = [
    new Uint8Array(0),
    arpRequest(RESPONDER_IPV4),
    datagram(v4, BULK_PORT, new Uint8Array(12)),
    datagram(v6, 7, new Uint8Array(12)),
    solicitation(responder.identity.ipv6, OUR_IPV6, 255),
    frameOf((m) => buildEchoFrame(m, 0, v6, { type: 128, identifier: 1, sequence: 1 }, new Uint8Array(9))),
  ];
  const damage = fc.array(fc.tuple(fc.nat(127), fc.nat(255)), { maxLength: 5 });
  fc.assert(
    fc.property(
      fc.nat(bases.length - 1),
      damage,
      fc.nat(128),
      fc.uint8Array({ maxLength: 128 }),
      (base, hits, cut, junk) => {
        const at = responder.reserve(128);
        responder.bytes.fill(0xa5);
        responder.bytes.set(junk, at);
        responder.bytes.set(bases[base]!, at);
        for (const [where, value] of hits) responder.bytes[at + where] = value;
        responder.commit(cut);
        const other = at === 0 ? 128 : 0;
        assert.ok(responder.bytes.subarray(other, other + 128).every((byte) => byte === 0xa5));
        responder.poll();
      },
    ),
    { numRuns: 3000 },
  );
});
