import assert from "node:assert/strict";
import { test } from "node:test";
import { EventFeed } from "./event-feed.ts";

type Event = { readonly kind: "carrier"; readonly up: boolean };
const UP: Event = { kind: "carrier", up: true };
const FAILED = { kind: "failed", error: { code: "GONE", message: "the NIC has gone", hint: "" } } as const;

const setUp = () => {
  const failures: string[] = [];
  return { feed: new EventFeed<Event>(({ code }) => failures.push(code)), failures };
};

const received = (feed: EventFeed<Event>): string[] => {
  const kinds: string[] = [];
  feed.listen(({ kind }) => kinds.push(kind));
  return kinds;
};

test("the first listener also gets earlier events; every listener gets a failure", () => {
  const { feed, failures } = setUp();
  feed.push(UP);
  feed.push(FAILED);
  assert.deepEqual(received(feed), ["carrier", "failed"]);
  assert.deepEqual(received(feed), ["failed"]);
  assert.deepEqual(failures, ["GONE"]);
  assert.equal(feed.failure?.message, "the NIC has gone");
});

test("only the first of several failures is reported, and a failure while closing is not reported", () => {
  const { feed, failures } = setUp();
  const kinds = received(feed);
  feed.push(FAILED);
  feed.fail(new Error("its thread ended"));
  assert.deepEqual([kinds, failures], [["failed"], ["GONE"]]);
  const other = setUp();
  other.feed.close();
  other.feed.push(FAILED);
  assert.deepEqual(other.failures, []);
  assert.deepEqual(received(other.feed), []);
});

test("an error without a code or hint is also a failure", () => {
  const { feed, failures } = setUp();
  feed.fail(new Error("its thread ended"));
  assert.deepEqual(failures, ["INTERNAL"]);
});
