import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { get32 } from "./bigendian.ts";
import { ASKED, BULK_HEADER_BYTES, buildBulkRequest, BulkServer, EXPECTED, fillPattern, isBulkAnswer } from "./bulk.ts";

const digest = () => {
  const parts: number[] = [];
  return { parts, update: (bytes: Uint8Array) => parts.push(...bytes) };
};

const ask = (server: BulkServer, sequence: number, asked: number, payload: number[] = [], room = 1000) => {
  const bytes = new Uint8Array(1024).fill(0xa5);
  bytes.set(payload, buildBulkRequest(bytes, 8, sequence, asked));
  const length = server.answer(bytes, 8, BULK_HEADER_BYTES + payload.length, room);
  const data = bytes.slice(8 + BULK_HEADER_BYTES, 8 + length);
  return { bytes, length, data, expected: get32(bytes, 8 + EXPECTED) };
};

test("the server accepts payloads in order and replies with the pattern of the sequence number", () => {
  const server = new BulkServer();
  const received = digest();
  const sent = digest();
  server.restart({ received, sent });
  const first = ask(server, 0, 5, [1, 2, 3]);
  assert.ok(isBulkAnswer(first.bytes, 8, first.length));
  assert.equal(first.expected, 1);
  const second = ask(server, 1, 3, [4]);
  assert.deepEqual(received.parts, [1, 2, 3, 4]);
  assert.deepEqual(sent.parts, [...first.data, ...second.data]);
  const pattern = new Uint8Array(5);
  fillPattern(pattern, 0, 5, 0);
  assert.deepEqual(first.data, pattern);
  assert.deepEqual(server.progress, { datagrams: 2, bytesReceived: 4, bytesSent: 8, repeats: 0, gaps: 0 });
});

test("a repeated request gets the same bytes and is hashed once; a request after a gap gets an empty reply", () => {
  const server = new BulkServer();
  const received = digest();
  const sent = digest();
  server.restart({ received, sent });
  const first = ask(server, 0, 7, [9]);
  assert.deepEqual(ask(server, 0, 7, [9]).data, first.data);
  assert.deepEqual(received.parts, [9]);
  assert.equal(sent.parts.length, 7);
  const early = ask(server, 2, 7, [8]);
  assert.equal(early.length, BULK_HEADER_BYTES);
  assert.equal(early.expected, 1);
  assert.deepEqual(server.progress, { datagrams: 1, bytesReceived: 1, bytesSent: 7, repeats: 1, gaps: 1 });
});

test("the server replies with at most as many bytes as there is room for, and only to requests", () => {
  const server = new BulkServer();
  assert.equal(ask(server, 0, 0xffff_ffff, [], 100).length, 100);
  assert.equal(ask(server, 1, 5, [], BULK_HEADER_BYTES - 1).length, 0);
  const bytes = new Uint8Array(64);
  assert.equal(server.answer(bytes, 0, 64, 64), 0);
  buildBulkRequest(bytes, 0, 1, 4);
  assert.equal(server.answer(bytes, 0, BULK_HEADER_BYTES - 1, 64), 0);
  const length = server.answer(bytes, 0, BULK_HEADER_BYTES, 64);
  assert.equal(
    server.answer(bytes, 0, length, 64),
    0,
    "a reply is not a request: two servers cannot reply to each other",
  );
});

test("random datagrams never throw and never write beyond the available room", () => {
  const server = new BulkServer();
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 12, maxLength: 60 }), fc.boolean(), fc.nat(60), (bytes, request, room) => {
      if (request) buildBulkRequest(bytes, 0, get32(bytes, 4) % 4, get32(bytes, ASKED));
      const memory = new Uint8Array(128).fill(0xa5);
      memory.set(bytes);
      const length = server.answer(memory, 0, bytes.length, room);
      assert.ok(length <= room);
      assert.ok(memory.subarray(Math.max(bytes.length, length)).every((byte) => byte === 0xa5));
    }),
  );
});
