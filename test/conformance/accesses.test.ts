/**
 * Each call of a register function makes exactly one device access, of the right width and in order, from the first
 * call in the interpreter to the last in optimised code. On QEMU's RTL8139C+, QEMU traces the accesses. Accesses to
 * memory-mapped registers are counted with the processor's debug registers.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { rw16, rw32, rw8 } from "#kit/mmio.ts";
import { type Access, accessesIn, TRACE_ACCESSES } from "../rigs/access-trace.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { noQtest } from "../rigs/qtest-machine.ts";
import { openQtestRig, type QtestRig } from "../rigs/qtest.ts";
import { type Counts, countDataView, countMapped, whyNotWatched } from "../rigs/watched-registers.ts";

const CALLS = 100_000;
const FEWER = 10_000;
/** Registers that read back what is written: the multicast hash, and the interrupt mask's low bits. */
const MAR0 = 0x08;
const INTR_MASK = 0x3c;

/** Takes, from QEMU's trace, the accesses that the device saw since the last call of `take`. */
class Seen {
  readonly #rig: QtestRig;
  #from = 0;
  constructor(rig: QtestRig) {
    this.#rig = rig;
  }
  take(): readonly Access[] {
    const text = this.#rig.machine.errors;
    const news = text.slice(this.#from);
    this.#from = text.length;
    return accessesIn(news, "rtl8139", 256);
  }
}

const traced = (): { rig: QtestRig; seen: Seen } => {
  const rig = openQtestRig({ more: TRACE_ACCESSES });
  return { rig, seen: new Seen(rig) };
};

describe("as seen by QEMU's RTL8139C+", { skip: noQtest() }, () => {
  test("a hundred thousand 32-bit reads and 16-bit writes are made exactly once each, and in order", () => {
    const { rig, seen } = traced();
    using owned = rig;
    const io = owned.registers;
    io.write32(rw32(MAR0), 0xcafe_f00d);
    seen.take();
    for (let i = 0; i < CALLS; i++) {
      io.write16(rw16(INTR_MASK), i & 0xff);
      assert.equal(io.read32(rw32(MAR0)), 0xcafe_f00d);
    }
    const accesses = seen.take();
    assert.equal(accesses.length, 2 * CALLS);
    for (let i = 0; i < CALLS; i++) {
      assert.deepEqual(accesses[2 * i], ["write", INTR_MASK, 2, i & 0xff]);
      assert.deepEqual(accesses[2 * i + 1], ["read", MAR0, 4, 0xcafe_f00d]);
    }
  });

  test("8-bit reads and writes, 16-bit reads and 32-bit writes are made exactly once each, and in order", () => {
    const { rig, seen } = traced();
    using owned = rig;
    const io = owned.registers;
    seen.take();
    for (let i = 0; i < FEWER; i++) {
      io.write8(rw8(MAR0), i & 0xff);
      io.read8(rw8(MAR0));
      io.write32(rw32(MAR0), i);
      io.read16(rw16(INTR_MASK));
    }
    const expected = Array.from({ length: FEWER }, (_, i): Access[] => [
      ["write", MAR0, 1, i & 0xff],
      ["read", MAR0, 1, i & 0xff],
      ["write", MAR0, 4, i],
      ["read", INTR_MASK, 2, 0],
    ]);
    assert.deepEqual(seen.take(), expected.flat());
  });

  test("sending a frame takes one register access, and handling an interrupt takes four", () => {
    const { rig, seen } = traced();
    using owned = rig;
    owned.up();
    owned.poll();
    seen.take();
    owned.send(udp(ends(), payload(100)));
    assert.deepEqual(seen.take(), [["write", 0xd9, 1, 0x40]]);
    owned.poll();
    seen.take();
    owned.deliver(udp(ends({ inbound: true }), payload(100)));
    assert.equal(owned.poll().length, 1);
    const kinds = seen.take().map(([kind, offset, bytes, value]) => `${kind} ${offset.toString(16)} ${bytes} ${value}`);
    assert.deepEqual(kinds, ["read 3e 2 1", "write 3c 2 0", "write 3e 2 1", "write 3c 2 32815"]);
  });

  test("bring-up makes the same accesses each time, and accesses each register with only one width", (t) => {
    const { rig, seen } = traced();
    using owned = rig;
    owned.up();
    owned.nic.down();
    const runs = Array.from({ length: 3 }, () => {
      seen.take();
      owned.nic.up();
      const accesses = seen.take();
      owned.nic.down();
      return accesses.map(([kind, offset, bytes]) => `${kind} ${offset.toString(16)} ${bytes}`);
    });
    assert.deepEqual(runs[1], runs[0]);
    assert.deepEqual(runs[2], runs[0]);
    const widths = new Map<string, Set<string>>();
    for (const access of runs[0]!) {
      const [, offset, bytes] = access.split(" ");
      widths.set(offset!, (widths.get(offset!) ?? new Set()).add(bytes!));
    }
    for (const [offset, seenWidths] of widths) assert.equal(seenWidths.size, 1, `register 0x${offset}`);
    t.diagnostic(`bring-up: ${runs[0]!.length} accesses`);
  });
});

/**
 * The reason for which debug registers are not available, or false. Even CI may then skip these tests, because no
 * package provides such registers.
 */
const unwatched = whyNotWatched() ?? false;

/**
 * Asserts that each read and each write is exactly one access to the register and none beyond it, and that only writes
 * store.
 */
const assertExact = (series: readonly Counts[]): void => {
  for (const { what, calls, accesses, stores, beyond } of series) {
    const times = what === "two reads" ? 2 : 1;
    const expected = { accesses: times * calls, stores: what.startsWith("write") ? calls : 0, beyond: 0 };
    assert.deepEqual({ accesses, stores, beyond }, expected, what);
  }
};

describe("of memory-mapped registers, as seen by the processor", { skip: unwatched }, () => {
  test("each call is one access, from the first in the interpreter to the hundred thousandth in optimised code", () => {
    assertExact(countMapped(CALLS, FEWER));
  });

  test("each call is one access with all compilers off, and with every function compiled at its first call", () => {
    const program = fileURLToPath(new URL("../rigs/watched-registers.ts", import.meta.url));
    const modes = { interpreted: ["--no-opt", "--no-maglev", "--no-sparkplug"], compiled: ["--always-sparkplug"] };
    for (const [mode, flags] of Object.entries(modes)) {
      const args = ["--disable-warning=ExperimentalWarning", ...flags, program, "2000"];
      const counts = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })) as readonly Counts[];
      assertExact(counts.filter(({ what }) => what !== "DataView"));
      // The interpreter accesses each of a word's four bytes separately for a DataView. The count shows that the test
      // would detect an engine that does so for registers.
      const split = counts.find(({ what }) => what === "DataView")!;
      if (mode === "interpreted") assert.equal(split.accesses, 4 * split.calls);
    }
  });

  test("the count detects an access that is split", () => {
    const { calls, accesses } = countDataView(FEWER);
    assert.ok(accesses > calls, `${accesses} accesses in ${calls} reads through a DataView`);
  });
});
