import assert from "node:assert/strict";
import { test } from "node:test";
import { FirstLosses, type Warning } from "./first-losses.ts";

test("the first loss of each kind is reported, and no other", () => {
  const reported: Warning[] = [];
  const losses = new FirstLosses((warning) => reported.push(warning));
  losses.check({ sendDrops: 0, missedFrames: 0 });
  assert.equal(reported.length, 0);
  losses.check({ sendDrops: 0, missedFrames: 7 });
  losses.check({ sendDrops: 0, missedFrames: 9 });
  assert.equal(reported.length, 1);
  assert.match(reported[0]!.message, /no descriptor/);
  assert.match(reported[0]!.hint, /`missedFrames`/);
  losses.check({ sendDrops: 1, missedFrames: 9 });
  assert.equal(reported.length, 2);
});
