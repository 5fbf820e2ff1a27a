import assert from "node:assert/strict";
import { test } from "node:test";
import { TookTooLong, within } from "./limit.ts";

test("a result that is in time is passed on", async () =>
  assert.equal(await within(Promise.resolve(7), "it", 1_000), 7));

test("an error that is in time is passed on", async () =>
  assert.rejects(within(Promise.reject(new Error("no")), "it", 1_000), /no/));

test("the error of a wait that takes too long contains what was awaited, and the limit", async () => {
  const never = new Promise<never>(() => undefined);
  await assert.rejects(
    within(never, "the answer", 10, "Try again."),
    (error: unknown) =>
      error instanceof TookTooLong &&
      error.message === "the answer took longer than 0.01 s" &&
      error.hint === "Try again.",
  );
});
