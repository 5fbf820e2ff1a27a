/** Side buses: the command words, the limits of addresses, and a bus that does not respond. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CSIAR, EPHYAR, ERIAR, FLAG, MACOCP, PHYOCP } from "#chip/registers.ts";
import { VirtualClock } from "#kit/clock.ts";
import { Mmio } from "#kit/mmio.ts";
import { SideBus } from "./side-bus.ts";

/** A chip that completes each access at once, or, if `answers` is false, never completes one. */
const open = ({ answers = true } = {}) => {
  const commands: [register: number, command: number][] = [];
  const words = new Map<number, number>();
  const io = new Mmio({
    length: 256,
    // A read completes with the flag set, a write with the flag clear.
    read: (offset) => ((words.get(offset) ?? 0) ^ (answers ? FLAG : 0)) >>> 0,
    write(offset, _width, value) {
      words.set(offset, value);
      commands.push([offset, value]);
    },
  });
  const clock = new VirtualClock();
  return { bus: new SideBus(io, clock), clock, commands };
};

/** For each method: its register, the last valid address, the command word for that address, and invalid addresses. */
const SPACES = [
  ["phyRead", PHYOCP, 0xfffe, 0x7fff_0000, [-2, 1, 0xffff, 0x1_0000]],
  ["phyWrite", PHYOCP, 0xfffe, 0xffff_0000, [-2, 1, 0xffff, 0x1_0000]],
  ["macRead", MACOCP, 0xfffe, 0x7fff_0000, [-2, 1, 0xffff, 0x1_0000]],
  ["macWrite", MACOCP, 0xfffe, 0xffff_0000, [-2, 1, 0xffff, 0x1_0000]],
  ["eriRead", ERIAR, 0xffc, 0xfffc, [-4, 1, 2, 0x1000]],
  ["eriWrite", ERIAR, 0xffc, 0x8000_fffc, [-4, 1, 2, 0x1000]],
  ["ephyRead", EPHYAR, 0x7f, 0x7f_0000, [-1, 0x80]],
  ["ephyWrite", EPHYAR, 0x7f, 0x807f_0000, [-1, 0x80]],
  ["csiRead", CSIAR, 0xffc, 0xfffc, [-4, 1, 2, 0x1000]],
  ["csiWrite", CSIAR, 0xffc, 0x8000_fffc, [-4, 1, 2, 0x1000]],
] as const;

for (const [method, register, last, command, outside] of SPACES)
  test(`${method} reaches every address of its space, and rejects others before anything is written`, () => {
    const { bus, commands } = open();
    bus[method](0, 0);
    bus[method](last, 0);
    assert.deepEqual(commands.at(-1), [register, command]);
    // A space with 32-bit registers has a separate data register.
    const before = commands.filter(([at]) => at === register).length;
    for (const address of outside) assert.throws(() => bus[method](address, 0), { code: "OUT_OF_RANGE" });
    assert.equal(commands.filter(([at]) => at === register).length, before);
  });

test("one to four bytes of an extended register are written", () => {
  const { bus, commands } = open();
  for (const lanes of [1, 8, 0xf]) {
    bus.eriWrite(0, 0, lanes);
    assert.deepEqual(commands.at(-1), [ERIAR, 0x8000_0000 + (lanes << 12)]);
  }
  for (const lanes of [0, -1, 0x10]) assert.throws(() => bus.eriWrite(0, 0, lanes), { code: "OUT_OF_RANGE" });
});

test("an access that does not complete is abandoned after 10 ms; an access to MAC-OCP is complete at once", () => {
  for (const [method] of SPACES) {
    const { bus, clock } = open({ answers: false });
    if (method.startsWith("mac")) bus[method](0, 0);
    else assert.throws(() => bus[method](0, 0), { code: "SIDE_BUS_TIMEOUT" });
    assert.equal(clock.now(), method.startsWith("mac") ? 0 : 10_000, method);
  }
});
