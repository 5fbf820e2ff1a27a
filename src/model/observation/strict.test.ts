import assert from "node:assert/strict";
import { test } from "node:test";
import { ChipCmd, Cmd, IntrMask } from "#chip/registers.ts";
import { type Offence, OFFENCES, Offences, type Strictness } from "./strict.ts";

const setUp = (strict: Strictness = "warn") => {
  const reported: Offence[] = [];
  const offences = new Offences(strict, (offence) => reported.push(offence));
  return {
    offences,
    reported,
    write: (offset: number, width: number, value: number) => offences.access(offset, width, value, true),
    read: (offset: number, width: number, value: number) => offences.access(offset, width, value, false),
  };
};

test("every offence describes the driver's error and its effect on real hardware", () => {
  for (const [name, { what, hardware }] of Object.entries(OFFENCES)) {
    assert.match(what, /^[a-z].*[^.]$/, name);
    assert.match(hardware, /^[A-Z].*\.$/, name);
  }
});

test("an offence is reported once for each place, with the accesses that led to it", () => {
  const { offences, reported, write, read } = setUp();
  read(0x3e, 2, 0x8001);
  write(0x54, 1, 0x20);
  offences.commit("locked", 0x54);
  offences.commit("locked", 0x54);
  offences.commit("locked", 0x55);
  assert.equal(offences.counts.locked, 3);
  assert.deepEqual(
    reported.map(({ where }) => where),
    [0x54, 0x55],
  );
  assert.deepEqual(reported[0]!.trace, ["r16 3e=8001", "w8 54=20"]);
  assert.deepEqual(reported[0]!.accesses[1], { write: true, offset: 0x54, width: 1, value: 0x20 });
  assert.equal(reported[0]!.hardware, OFFENCES.locked.hardware);
});

test("an offence lists the latest accesses, oldest first", () => {
  const { offences, reported, write } = setUp();
  for (let i = 0; i < 100; i++) write(0x54, 1, i);
  offences.commit("idle", 0);
  const values = reported[0]!.accesses.map(({ value }) => value);
  assert.deepEqual(
    values,
    Array.from({ length: 32 }, (_, i) => 68 + i),
  );
});

test("a guest cannot make the model use memory without limit", () => {
  const { offences, reported } = setUp();
  for (let i = 0; i < 10_000; i++) offences.commit("unknown", i);
  assert.equal(reported.length, 4096);
  assert.equal(offences.counts.unknown, 10_000);
});

test("unaligned accesses are reported", () => {
  const { offences, read, write } = setUp();
  read(0x3d, 2, 0);
  write(0x3e, 4, 0);
  write(0x3c, 4, 0);
  assert.equal(offences.counts.alignment, 2);
});

test("writes are reported until ChipCmd was read to confirm the end of the reset", () => {
  const { offences, write, read } = setUp();
  write(ChipCmd, 1, Cmd.reset);
  read(ChipCmd, 1, Cmd.reset);
  write(IntrMask, 2, 0);
  assert.equal(offences.counts.hurried, 1);
  read(ChipCmd, 1, 0);
  write(IntrMask, 2, 0);
  assert.equal(offences.counts.hurried, 1);
});

test("a wider write that includes ChipCmd also requests a reset", () => {
  const { offences, write } = setUp();
  write(ChipCmd - 3, 4, Cmd.reset * 2 ** 24);
  write(IntrMask, 2, 0);
  assert.equal(offences.counts.hurried, 1);
});

test("in strict mode `error` the first offence takes the chip off the bus until it is reset", () => {
  const { offences } = setUp("error");
  assert.equal(offences.failed, false);
  offences.commit("idle", 0);
  assert.equal(offences.failed, true);
  offences.reset();
  assert.equal(offences.failed, false);
});

test("in strict mode `off` offences are counted but not reported", () => {
  const { offences, reported, write } = setUp("off");
  write(0x3d, 2, 0);
  offences.commit("idle", 0);
  assert.deepEqual([reported.length, offences.counts.idle, offences.counts.alignment], [0, 1, 0]);
});
