import assert from "node:assert/strict";
import { test } from "node:test";
import { TookTooLong, within } from "./limit.ts";

test("passes on a result that is in time", async () => assert.equal(await within(Promise.resolve(7), "it", 1_000), 7));

test("passes on an error that is in time", async () =>
  assert.rejects(within(Promise.reject(new Error("no")), "it", 1_000), /no/));

test("reports the purpose of the wait, and the limit", async () => {
  const never = new Promise<never>(() => undefined);
  await assert.rejects(
    within(never, "the answer", 10, "Try again."),
    (error: unknown) =>
      error instanceof TookTooLong &&
      error.message === "the answer took longer than 0.01 s" &&
      error.hint === "Try again.",
  );
});
