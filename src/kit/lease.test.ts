/** A lease, step by step in one thread; stress.test.ts tests it between two threads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Borrower, LEASE_WORDS, Lender } from "./lease.ts";

const setUp = () => {
  const words = new Int32Array(new SharedArrayBuffer(4 * LEASE_WORDS));
  return { lender: new Lender(words), borrower: new Borrower(words) };
};

test("the borrower has the resource until it gives it back after a recall", () => {
  const { lender, borrower } = setUp();
  assert.equal(lender.returned(0), true, "nothing was lent yet");
  assert.equal(borrower.take(lender.lend()), true);
  assert.equal(borrower.recalled, false);
  assert.equal(lender.returned(0), false);
  lender.recall();
  assert.equal(borrower.recalled, true);
  assert.equal(lender.returned(0), false);
  borrower.giveBack();
  assert.equal(lender.returned(0), true);
});

test("a term that was recalled before the borrower took it cannot be taken, and the lender does not wait for it", () => {
  const { lender, borrower } = setUp();
  const early = lender.lend();
  lender.recall();
  assert.equal(lender.returned(0), true);
  const next = lender.lend();
  assert.equal(borrower.take(early), false);
  assert.equal(lender.returned(0), true);
  assert.equal(borrower.take(next), true);
});

test("the lender waits no longer than the limit for a borrower that never gives the resource back", () => {
  const { lender, borrower } = setUp();
  borrower.take(lender.lend());
  lender.recall();
  assert.equal(lender.returned(5), false);
});

test("a lease in memory that is too small is rejected", () => {
  const words = new Int32Array(LEASE_WORDS - 1);
  for (const side of [Lender, Borrower]) assert.throws(() => new side(words), { code: "OUT_OF_RANGE" });
});
