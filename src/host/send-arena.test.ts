import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { Misuse, OutOfRange } from "#kit/errors.ts";
import { SendArena } from "./send-arena.ts";

test("the send arena never allocates space twice, whatever the order of frames and completions", () => {
  const action = fc.oneof(fc.integer({ min: 1, max: 1000 }), fc.constant(0));
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), fc.nat(7), (actions, start) => {
      const arena = new SendArena({ offset: start, length: 4200 }, 1000, 6);
      const live: { at: number; length: number }[] = [];
      for (const length of actions) {
        if (length === 0) {
          const first = live.shift();
          if (first !== undefined) arena.free(1);
          continue;
        }
        const at = arena.place();
        if (at < 0) {
          assert.ok(live.length > 0, "an empty arena has room");
          continue;
        }
        assert.equal(at % 8, 6);
        assert.ok(at >= start && at + 1000 <= start + 4200);
        for (const other of live) assert.ok(at + 1000 <= other.at || other.at + other.length <= at);
        arena.add(at, length);
        live.push({ at, length });
      }
      assert.equal(arena.outstanding, live.length);
    }),
    { seed: 20_260_117, numRuns: 200 },
  );
});

test("the send arena rejects completion of more fragments than are outstanding, and spans too small for two frames", () => {
  const arena = new SendArena({ offset: 0, length: 4000 }, 1000, 0);
  arena.add(arena.place(), 10);
  for (const wrong of [2, -1]) assert.throws(() => arena.free(wrong), Misuse);
  arena.free(1);
  assert.throws(() => arena.free(1), Misuse);
  assert.throws(() => new SendArena({ offset: 0, length: 2000 }, 1000, 0), OutOfRange);
});
