/** Hostile clients: whatever they send, the server continues, releases all resources, and serves the next client. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { EventFd } from "#sys/eventfd.ts";
import { createMemory } from "#sys/mapping.ts";
import { DMA_MAP, DMA_UNMAP, IRQ_SET, REGION_ACCESS, REGION_INFO } from "./codec.ts";
import { BAR, Rig, body, holdings, message, versionBody } from "./peer.test-kit.ts";
import { Command, HEADER_BYTES, SetFlag } from "./protocol.ts";

const RUNS = 150;
const PAGE = 4096;

/** One send: bytes, and the descriptors attached to them. */
interface Sending {
  readonly bytes: Uint8Array;
  readonly fds: readonly ("memory" | "event" | "socket")[];
}

const u32s = fc.oneof(
  fc.nat(40),
  fc.constantFrom(2 ** 31, 2 ** 32 - 1, PAGE),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);
const u64s = fc.oneof(
  fc.nat(20).map((page) => page * PAGE),
  fc.constantFrom(2 ** 32, 2 ** 52, 2 ** 53 - PAGE, Number.MAX_SAFE_INTEGER),
  fc.maxSafeNat(),
);
const data = fc.uint8Array({ maxLength: 64 });
const commands = fc.oneof(fc.constantFrom(...Object.values(Command)), fc.nat(0xffff));
const fds = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  { weight: 1, arbitrary: fc.array(fc.constantFrom("memory", "event", "socket" as const), { maxLength: 4 }) },
);
const flags = fc.oneof({ weight: 8, arbitrary: fc.constantFrom(0, 0x10) }, { weight: 1, arbitrary: u32s });

/** Bodies that are almost valid. */
const bodies = fc.oneof(
  data,
  fc
    .record({ argsz: fc.constant(32), flags: fc.nat(16), offset: u64s, address: u64s, size: u64s })
    .map((v) => body(DMA_MAP, v)),
  fc.record({ argsz: fc.constant(24), flags: fc.nat(3), address: u64s, size: u64s }).map((v) => body(DMA_UNMAP, v)),
  fc
    .record({ argsz: fc.constant(20), flags: fc.nat(63), index: fc.nat(5), start: fc.nat(4), count: fc.nat(4) })
    .map((v) => body(IRQ_SET, v)),
  fc
    .tuple(fc.record({ offset: fc.oneof(fc.nat(PAGE), u64s), region: fc.nat(9), count: fc.nat(64) }), data)
    .map(([v, bytes]) => body(REGION_ACCESS, v, bytes)),
  fc
    .record({ argsz: u32s, flags: u32s, index: fc.nat(10), capabilities: u32s, size: u64s, offset: u64s })
    .map((v) => body(REGION_INFO, v)),
);

const messages: fc.Arbitrary<Sending> = fc
  .record({ id: fc.nat(0xffff), command: commands, bytes: bodies, flags, fds })
  .map(({ id, command, bytes, flags: bits, fds: sent }) => ({ bytes: message(id, command, bytes, bits), fds: sent }));

/** The messages of a valid client. */
const GOOD: readonly Sending[] = [
  { bytes: message(1, Command.version, versionBody()), fds: [] },
  {
    bytes: message(2, Command.dmaMap, body(DMA_MAP, { argsz: 32, flags: 3, offset: 0, address: PAGE, size: PAGE })),
    fds: ["memory"],
  },
  {
    bytes: message(3, Command.dmaMap, body(DMA_MAP, { argsz: 32, flags: 1, offset: 0, address: 2 * PAGE, size: PAGE })),
    fds: [],
  },
  {
    bytes: message(
      4,
      Command.setIrqs,
      body(IRQ_SET, { argsz: 20, flags: SetFlag.eventfd | SetFlag.trigger, index: 2, start: 0, count: 1 }),
    ),
    fds: ["event"],
  },
  {
    bytes: message(
      5,
      Command.regionWrite,
      body(REGION_ACCESS, { offset: 4, region: BAR, count: 4 }, Uint8Array.of(1, 2, 3, 4)),
      0x10,
    ),
    fds: [],
  },
  { bytes: message(6, Command.regionRead, body(REGION_ACCESS, { offset: 4, region: BAR, count: 4 })), fds: [] },
  { bytes: message(7, Command.dmaUnmap, body(DMA_UNMAP, { argsz: 24, flags: 0, address: PAGE, size: PAGE })), fds: [] },
  { bytes: message(8, Command.deviceReset, new Uint8Array(0)), fds: [] },
];

interface Change {
  readonly kind: "byte" | "cut" | "repeat" | "drop" | "swap";
  readonly at: number;
  readonly to: number;
}

const changed = (sendings: readonly Sending[], { kind, at, to }: Change): readonly Sending[] => {
  const list = [...sendings];
  const i = at % Math.max(1, list.length);
  const one = list[i];
  if (one === undefined) return list;
  const bytes = one.bytes.slice();
  if (kind === "byte") bytes[to % bytes.length] = at;
  if (kind === "byte") list[i] = { ...one, bytes };
  else if (kind === "cut") list[i] = { ...one, bytes: bytes.subarray(0, 1 + (to % bytes.length)) };
  else if (kind === "repeat") list.splice(to % list.length, 0, one);
  else if (kind === "drop") list.splice(i, 1);
  else list.splice(i, 1, ...list.splice(to % list.length, 1, one));
  return list;
};

/** Sends all messages in pieces, and disconnects. */
const visit = (rig: Rig, sendings: readonly Sending[], cut: number): void => {
  using memory = createMemory("fuzz", PAGE);
  using event = EventFd.create();
  const peer = rig.connect("none");
  const numbers = { memory: memory.number, event: event.number, socket: peer.socket.number };
  for (const { bytes, fds: sent } of sendings) {
    const first = bytes.subarray(0, 1 + (cut % bytes.length));
    const rest = bytes.subarray(first.length);
    const descriptors = sent.map((name) => numbers[name]);
    if (peer.socket.send(first, descriptors) < 0) break;
    if (cut % 3 === 0) rig.work();
    if (rest.length > 0 && peer.socket.send(rest) < 0) break;
    rig.work();
    // The device accesses the mapped memory.
    const region = rig.device.memory?.region(PAGE, 64);
    if (region !== undefined && region.copy === undefined) region.bytes[PAGE - region.address] = 1;
    rig.device.raise(0);
    while (peer.receive() instanceof Object);
  }
  peer[Symbol.dispose]();
  rig.work();
};

/** Asserts that nothing leaked from earlier clients, and that a valid client is served. */
const unharmed = (rig: Rig, before: ReturnType<typeof holdings>): void => {
  assert.equal(rig.server.connected, false);
  assert.equal(rig.server.maps, 0);
  assert.deepEqual(holdings(), before);
  for (const why of rig.complaints.splice(0)) assert.match(why, /^[^\n]{1,120}$/);
  rig.connect();
  rig.peer[Symbol.dispose]();
  rig.work();
};

const withServer = (property: (rig: Rig) => fc.IProperty<unknown[]>): void => {
  using rig = new Rig();
  rig.peer[Symbol.dispose]();
  rig.work();
  fc.assert(property(rig) as fc.IProperty<[unknown]>, { numRuns: RUNS });
};

test("arbitrary messages do no harm", () => {
  withServer((rig) => {
    const before = holdings();
    return fc.property(fc.array(messages, { maxLength: 12 }), fc.nat(40), fc.boolean(), (sendings, cut, polite) => {
      visit(rig, polite ? [GOOD[0]!, ...sendings] : sendings, cut);
      unharmed(rig, before);
    });
  });
});

test("arbitrary bytes do no harm", () => {
  withServer((rig) => {
    const before = holdings();
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 200 });
    return fc.property(fc.array(fc.record({ bytes, fds }), { maxLength: 8 }), fc.nat(40), (sendings, cut) => {
      visit(rig, sendings, cut);
      unharmed(rig, before);
    });
  });
});

test("a valid conversation with random changes does no harm", () => {
  withServer((rig) => {
    const before = holdings();
    const change = fc.record({
      kind: fc.constantFrom("byte", "cut", "repeat", "drop", "swap" as const),
      at: fc.nat(255),
      to: fc.nat(255),
    });
    return fc.property(fc.array(change, { maxLength: 4 }), fc.nat(60), (changes, cut) => {
      let sendings = GOOD;
      for (const one of changes) sendings = changed(sendings, one);
      visit(rig, sendings, cut);
      unharmed(rig, before);
    });
  });
});

test("disconnecting at any byte of a valid conversation does no harm", () => {
  withServer((rig) => {
    const before = holdings();
    const length = GOOD.reduce((sum, { bytes }) => sum + bytes.length, 0);
    return fc.property(fc.nat(length), fc.nat(HEADER_BYTES), (end, cut) => {
      let left = end;
      const some: Sending[] = [];
      for (const sending of GOOD) {
        if (left <= 0) break;
        some.push({ ...sending, bytes: sending.bytes.subarray(0, left) });
        left -= sending.bytes.length;
      }
      visit(rig, some, cut);
      unharmed(rig, before);
    });
  });
});
