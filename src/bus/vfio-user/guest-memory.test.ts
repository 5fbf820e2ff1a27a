import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { MapWindows } from "#sys/map-window.ts";
import { createMemory, Mapping } from "#sys/mapping.ts";
import { BounceBuffer } from "#sys/peer-memory.ts";
import { GuestMaps } from "./guest-memory.ts";
import { MapFlag, PAGE } from "./protocol.ts";

/** Number of pages of the client's memory. */
const PAGES = 8;
/** Number of page addresses, from `BASE` on, at which the test maps pages. */
const PLACES = 24;
const BASE = 0xffff_0000;

/** One page of the client's memory at one address, as in an IOMMU's page table. */
interface Entry {
  readonly page: number;
  readonly readOnly: boolean;
}

const place = fc.integer({ min: 0, max: PLACES - 1 });
const step = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("map" as const),
      place,
      pages: fc.integer({ min: 1, max: 4 }),
      page: fc.integer({ min: 0, max: PAGES - 4 }),
      readOnly: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("unmap" as const), place }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("access" as const),
      place,
      offset: fc.integer({ min: 0, max: PAGE - 1 }),
      length: fc.integer({ min: 1, max: 5 * PAGE }),
    }),
  },
);

/** An access divided at page borders. */
const piecesOf = (
  first: number,
  length: number,
): readonly { place: number; start: number; length: number; done: number }[] => {
  const pieces = [];
  for (let done = 0; done < length;) {
    const start = (first + done) % PAGE;
    const part = Math.min(PAGE - start, length - done);
    pieces.push({ place: Math.floor((first + done) / PAGE), start, length: part, done });
    done += part;
  }
  return pieces;
};

test("a device finds exactly the memory that is mapped, after any sequence of maps and unmaps", () => {
  using memory = createMemory("client", PAGES * PAGE);
  using own = Mapping.map(memory.number, 0, PAGES * PAGE, "own");
  const client = new Uint8Array(own.buffer);
  const windows = new MapWindows();
  using bounce = new BounceBuffer();
  const nobody = { read: () => false, write: () => false };
  fc.assert(
    fc.property(fc.array(step, { minLength: 80, maxLength: 80, size: "max" }), (steps) => {
      const maps = new GuestMaps({ windows, bounce, remote: nobody, changed: () => {}, failed: assert.ifError });
      const table = new Map<number, Entry>();
      const sizes = new Map<number, number>();
      client.forEach((_, i) => (client[i] = i / PAGE + i));
      for (const did of steps) {
        if (did.kind === "map") {
          const { place, pages, page, readOnly } = did;
          const places = Array.from({ length: pages }, (_, i) => place + i);
          const taken = places.some((at) => table.has(at));
          const flags = MapFlag.read | (readOnly ? 0 : MapFlag.write);
          const request = { address: BASE + place * PAGE, size: pages * PAGE, offset: page * PAGE, flags };
          assert.equal(maps.map(request, memory.duplicate()) === 0, !taken);
          if (taken) continue;
          places.forEach((at, i) => table.set(at, { page: page + i, readOnly }));
          sizes.set(place, pages);
        } else if (did.kind === "unmap") {
          const pages = sizes.get(did.place);
          if (pages === undefined) continue;
          assert.equal(maps.unmap(BASE + did.place * PAGE, pages * PAGE), 0);
          for (let i = 0; i < pages; i++) table.delete(did.place + i);
          sizes.delete(did.place);
        } else {
          const pages = piecesOf(did.place * PAGE + did.offset, did.length);
          const entries = pages.map(({ place }) => table.get(place));
          const address = BASE + did.place * PAGE + did.offset;
          const region = maps.region(address, did.length);
          assert.equal(region !== undefined, entries.every(Boolean));
          if (region === undefined) continue;
          const at = address - region.address;
          assert.ok(at >= 0 && at + did.length <= region.length);
          assert.equal(
            region.readOnly === true,
            entries.some((entry) => entry!.readOnly),
          );
          assert.ok(region.copy?.fetch(at, did.length) ?? true);
          pages.forEach(({ start, length, done }, i) => {
            const there = entries[i]!.page * PAGE + start;
            const [found, theirs] = [region.bytes.subarray(at + done), client.subarray(there)];
            assert.deepEqual(found.subarray(0, length), theirs.subarray(0, length));
          });
          if (region.readOnly === true) continue;
          region.bytes[at]! ^= 0xff;
          assert.ok(region.copy?.store(at, 1) ?? true);
          assert.equal(client[entries[0]!.page * PAGE + did.offset], region.bytes[at]);
        }
      }
      maps.clear();
    }),
    { numRuns: 200 },
  );
});
