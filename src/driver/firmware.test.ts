/** Firmware: which files are accepted, and what their programs do to the PHY and the MAC controller. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { VirtualClock } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import { BadFirmware, parseFirmware, runFirmware } from "./firmware.ts";

const word = (op: number, register = 0, data = 0): number => ((op << 28) | (register << 16) | data) >>> 0;
const READ = (register: number) => word(0, register);
const OR = (data: number) => word(1, 0, data);
const AND = (data: number) => word(2, 0, data);
const BACK = (words: number) => word(3, words);
const CHOOSE = (space: number) => word(4, 0, space);
const CLEAR_READS = word(7);
const WRITE = (register: number, data: number) => word(8, register, data);
const SKIP_AT_READS = (count: number) => word(9, 0, count);
const SKIP_IF = (words: number, data: number) => word(10, words, data);
const SKIP_UNLESS = (words: number, data: number) => word(11, words, data);
const WRITE_PREVIOUS = (register: number) => word(12, register);
const SKIP = (words: number) => word(13, words);
const DELAY = (millis: number) => word(14, 0, millis);

const raw = (words: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(4 * words.length);
  const view = new DataView(bytes.buffer);
  words.forEach((each, i) => view.setUint32(4 * i, each, true));
  return bytes;
};

/** A file with a header. The program follows the header at an offset that is not a multiple of 4. */
const contained = (
  words: readonly number[],
  version = "test-1_0.0.1",
  start = 45,
  length = words.length,
): Uint8Array => {
  const bytes = new Uint8Array(45 + 4 * words.length);
  bytes.set(new TextEncoder().encode(version), 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(36, start, true);
  view.setUint32(40, length, true);
  bytes.set(raw(words), 45);
  bytes[44] = -bytes.reduce((sum, byte) => sum + byte, 0);
  return bytes;
};

const at = (space: string, page: number, register: number): string =>
  `${space} ${page.toString(16)}.${register.toString(16)}`;

/** PHY and MAC controller as plain registers, with a log of accesses. */
const target = (values: Readonly<Record<string, number>> = {}) => {
  const done: string[] = [];
  const state = new Map(Object.entries(values));
  const clock = new VirtualClock();
  const space = (name: string) => ({
    read(register: number, page = 0) {
      return state.get(at(name, page, register)) ?? 0;
    },
    write(register: number, value: number, page = 0) {
      state.set(at(name, page, register), value);
      done.push(`${at(name, page, register)}=${value.toString(16)}`);
    },
  });
  const phy = space("phy");
  const mac = space("mac");
  return {
    done,
    state,
    hw: { clock, phy, mac: { read: (a: number) => mac.read(a), write: (a: number, v: number) => mac.write(a, v) } },
  };
};

const runs = (words: readonly number[], values?: Readonly<Record<string, number>>) => {
  const { done, hw } = target(values);
  runFirmware(parseFirmware(contained(words), "a.fw"), hw);
  return { done, clock: hw.clock };
};

test("a file's version is in its header; without a header, the file's name is the version", () => {
  const words = [WRITE(31, 0xa43), WRITE(16, 1)];
  assert.deepEqual([...parseFirmware(contained(words), "a.fw").words], words);
  for (const version of ["test-1_0.0.1", "a version that fills 32 bytes ok"])
    assert.equal(parseFirmware(contained(words, version), "a.fw").version, version);
  assert.deepEqual([...parseFirmware(raw(words), "a.fw").words], words);
  assert.equal(parseFirmware(raw(words), "a.fw").version, "a.fw");
});

test("PHY registers are on the last page selected, and page 0 is selected at the end", () => {
  const { done } = runs([WRITE(31, 0xa43), WRITE(16, 0x1234), WRITE(31, 0), WRITE(4, 1), WRITE(31, 0xb82)]);
  assert.deepEqual(done, ["phy a43.10=1234", "phy 0.4=1"]);
});

test("addresses of MAC controller registers are relative to a base in units of 16 bytes", () => {
  const { done } = runs([
    CHOOSE(1),
    WRITE(31, 0xf80),
    WRITE(0x24, 7),
    WRITE(31, 0xfc2),
    WRITE(6, 8),
    CHOOSE(0),
    WRITE(4, 9),
  ]);
  assert.deepEqual(done, ["mac 0.f824=7", "mac 0.fc26=8", "phy 0.4=9"]);
});

test("a value that was read can be changed and written back", () => {
  const { done } = runs([READ(4), AND(0xff0f), OR(0x0020), WRITE_PREVIOUS(5)], { "phy 0.4": 0x12f4 });
  assert.deepEqual(done, ["phy 0.5=1224"]);
});

/** Number of executed writes in a program that reads a 7, executes the instruction `skip`, and ends with two writes. */
const skips = (skip: number) => runs([READ(4), skip, WRITE(5, 1), WRITE(6, 1)], { "phy 0.4": 7 }).done.length;

test("a jump can depend on whether the value read equals a constant", () => {
  assert.equal(skips(SKIP_IF(1, 7)), 1);
  assert.equal(skips(SKIP_IF(1, 8)), 2);
  assert.equal(skips(SKIP_UNLESS(1, 7)), 2);
  assert.equal(skips(SKIP_UNLESS(1, 8)), 1);
  assert.equal(skips(SKIP(1)), 1);
});

test("a loop can poll a register a limited number of times, with a wait between the reads", () => {
  // Waits a millisecond and reads register 4. Leaves the loop if the value is 0xff or after 3 reads, otherwise jumps
  // back.
  const loop = [CLEAR_READS, DELAY(1), READ(4), SKIP_IF(2, 0xff), SKIP_AT_READS(3), BACK(4), WRITE(5, 1)];
  const { done, clock } = runs(loop);
  assert.deepEqual(done, ["phy 0.5=1"]);
  assert.equal(clock.now(), 3000);
});

test("every error in a file is detected before the program runs", () => {
  const broken = contained([WRITE(4, 1)]);
  broken[46]! ^= 1;
  for (const [bytes, message] of [
    [new Uint8Array(0), /not a program/],
    [new Uint8Array(3), /not a program/],
    [raw([WRITE(4, 1)]).subarray(0, 3), /not a program/],
    [new Uint8Array((1 << 20) + 4), /too many/],
    [new Uint8Array(44), /truncated/],
    [broken, /checksum/],
    [contained([WRITE(4, 1)], "", 45, 2), /do not fit/],
    [contained([WRITE(4, 1)], "", 0xffff_fff0, 1), /do not fit/],
    [contained([], "", 45, 0), /do not fit/],
    [raw([word(5)]), /not an instruction/],
    [raw([word(6)]), /not an instruction/],
    [raw([word(15)]), /not an instruction/],
    [raw([WRITE(0x20, 1)]), /register 0x20, which the PHY/],
    [raw([WRITE(4, 1), READ(0xfff)]), /register 0xfff/],
    [raw([CHOOSE(1), WRITE(0x23, 1)]), /MAC controller/],
    [raw([CHOOSE(2)]), /neither/],
    [raw([WRITE(4, 1), BACK(0)]), /jumps to itself/],
    [raw([WRITE(4, 1), BACK(2)]), /before the start/],
    [raw([WRITE(4, 1), SKIP(0)]), /past the end/],
    [raw([WRITE(4, 1), SKIP_IF(5, 0)]), /past the end/],
    [raw([WRITE(4, 1), SKIP_UNLESS(5, 0)]), /past the end/],
    [raw([SKIP_AT_READS(1), WRITE(4, 1)]), /past the end/],
    [raw([WRITE(4, 1), DELAY(0xffff)]), /waits 65535 ms/],
  ] as const)
    assert.throws(
      () => parseFirmware(bytes, "a.fw"),
      (error: unknown) => error instanceof BadFirmware && error.code === "BAD_FIRMWARE" && message.test(error.message),
      String(message),
    );
});

test("a program that never ends is stopped, by the limit of its steps or of its time", () => {
  assert.throws(() => runs([WRITE(4, 1), BACK(1)]), /does not end/);
  assert.throws(() => runs([WRITE(4, 1), DELAY(100), BACK(2)]), /does not end/);
  runs(Array.from({ length: 20 }, () => DELAY(100)));
  assert.throws(() => runs(Array.from({ length: 22 }, () => DELAY(100))), /does not end \(at word 21\)/);
});

test("registers are also checked at run time, because a jump can skip a page selection", () => {
  for (const words of [
    [SKIP(1), CHOOSE(1), WRITE(0x800, 1), CLEAR_READS],
    [SKIP(1), CHOOSE(1), READ(0x800), CLEAR_READS],
    // No OCP PHY has such a page.
    [WRITE(31, 0xffff), WRITE(16, 1)],
  ]) {
    const { done, hw } = target();
    const write = hw.phy.write.bind(hw.phy);
    hw.phy.write = (register, value, page) => {
      if (page !== undefined && page > 0xfff) throw new OutOfRange(`page ${page}`);
      write(register, value, page);
    };
    assert.throws(() => runFirmware(parseFirmware(raw(words), "a.fw"), hw), BadFirmware);
    assert.deepEqual(done, []);
  }
});

test("a program that leaves the PHY in reset fails", () => {
  assert.throws(() => runs([WRITE(0, 0x8000)]), /leaves the PHY in reset/);
});

test("whatever a firmware file contains, it is rejected, or its program ends and accesses only existing registers", () => {
  const seed = 20_261_130;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(15), fc.nat(0x30), fc.nat(0xffff)), { minLength: 1, maxLength: 40 }),
      (list) => {
        const words = list.map(([op, register, data]) =>
          word(op, register, op === 4 ? data & 1 : op === 14 ? data & 3 : data),
        );
        const { done, hw } = target({ "phy 0.0": 0 });
        try {
          runFirmware(parseFirmware(contained(words), "a.fw"), hw);
        } catch (error) {
          assert.ok(error instanceof BadFirmware, String(error));
        }
        for (const line of done) {
          const [, space, address] = /^(phy|mac) [0-9a-f]+\.([0-9a-f]+)=/.exec(line)!;
          const at = Number.parseInt(address!, 16);
          assert.ok(space === "phy" ? at < 31 : at % 2 === 0 && at <= 0xfffe, line);
        }
        assert.ok(hw.clock.now() <= 2_000_000 + 100_000 + 600_000);
      },
    ),
    { seed, numRuns: 2000 },
  );
});
