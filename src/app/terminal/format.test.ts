import assert from "node:assert/strict";
import { test } from "node:test";
import {
  amount,
  bar,
  bitRate,
  clockTime,
  count,
  counted,
  fitted,
  linkSpeed,
  microseconds,
  rate,
  table,
} from "./format.ts";

test("amounts of data have binary units", () => {
  assert.equal(amount(0), "0 B");
  assert.equal(amount(1023), "1023 B");
  assert.equal(amount(1024), "1.00 KiB");
  assert.equal(amount(2 ** 30), "1.00 GiB");
  assert.equal(amount(1.5 * 2 ** 20), "1.50 MiB");
});

test("a rate that rounds up to 1000 is printed in the next unit", () => {
  assert.equal(bitRate(999_960), "1.00 Mbit/s");
  assert.equal(bitRate(99_960), "100 kbit/s");
  assert.equal(bitRate(9_996), "10.0 kbit/s");
  assert.equal(bitRate(3_210_000_000), "3.21 Gbit/s");
});

test("rates have prefixes, counts have separators between thousands, and times and speeds have units", () => {
  assert.equal(rate(81_200), "81.2 k");
  assert.equal(rate(7), "7");
  assert.equal(count(1_234_567), "1,234,567");
  assert.equal(microseconds(85.4), "85 µs");
  assert.equal(microseconds(1_200), "1.20 ms");
  assert.equal(linkSpeed(2500), "2.5 Gbit/s");
  assert.equal(linkSpeed(100), "100 Mbit/s");
  assert.equal(clockTime(3_723.9), "01:02:03");
});

test("columns of a table are aligned, whatever colours the cells have", () => {
  const green = "\u001b[32mok\u001b[39m";
  assert.deepEqual(
    table(
      [
        ["a", "1"],
        [green, "22"],
      ],
      "lr",
    ),
    ["a    1", `${green}  22`],
  );
});

test("a progress bar is full at the end and never longer", () => {
  assert.equal(bar(0, 4), "░░░░");
  assert.equal(bar(0.5, 4), "██░░");
  assert.equal(bar(7, 4), "████");
});

test("a line that is too wide is truncated, with a mark", () => {
  assert.equal(fitted("abcdef", 6), "abcdef");
  assert.equal(fitted("\u001b[1mabcdef\u001b[22m", 5), "abcd…");
});

test("a counted noun is singular for one, and plural otherwise", () => {
  assert.equal(counted(0, "client"), "0 clients");
  assert.equal(counted(1, "client"), "1 client");
  assert.equal(counted(1000, "client"), "1,000 clients");
  assert.equal(counted(2, "missed by the NIC", "missed by the NIC"), "2 missed by the NIC");
});
