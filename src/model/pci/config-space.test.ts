/** Configuration space: capability lists, decoding, power states. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { type Chip, CHIPS, chipNamed } from "#chip/chips.ts";
import { Cfg9346, ChipId, Intr, IntrMask, Lock, Poll, TxPoll } from "#chip/registers.ts";
import { Guest } from "../guest.test-kit.ts";

const chips: readonly Chip[] = CHIPS;
const ONES = 0xffff_ffff;
const MEMORY = 1 << 1;
const PME_ENABLE = 1 << 8;
const PME_STATUS = 1 << 15;

const capabilities = ({ nic }: Guest): number[] => {
  const found: number[] = [];
  for (let at = nic.read("config", 0x34, 1); at !== 0; at = nic.read("config", at + 1, 1)) {
    assert.ok(at >= 0x40 && at < 0x100 && at % 4 === 0 && found.length < 16);
    found.push(nic.read("config", at, 1));
  }
  return found;
};

/** Offset of a capability. */
const placeOf = ({ nic }: Guest, id: number): number => {
  let at = nic.read("config", 0x34, 1);
  while (nic.read("config", at, 1) !== id) at = nic.read("config", at + 1, 1);
  return at;
};

const extended = ({ nic }: Guest): number[] => {
  const found: number[] = [];
  if (nic.size("config") === 256) return found;
  for (let at = 0x100; at !== 0; at = nic.read("config", at, 4) >>> 20) {
    assert.ok(at >= 0x100 && at % 4 === 0 && found.length < 16);
    found.push(nic.read("config", at, 2));
  }
  return found;
};

test("each generation of chips has its own list of PCI capabilities", () => {
  // Capabilities: power 01, VPD 03, MSI 05, Express 10, MSI-X 11. Extended ones: error reporting 01, virtual channel
  // 02, serial number 03, LTR 18, L1 substates 1e.
  // prettier-ignore
  // oxfmt-ignore
  for (const [key, plain, more] of [
    ["rtl8169sc-180", [0x01, 0x03], []],
    ["rtl8168b", [0x01, 0x05, 0x10, 0x03], [0x01, 0x02, 0x03]],
    ["rtl8168c-3c0", [0x01, 0x05, 0x10, 0x11, 0x03], [0x01, 0x02, 0x03]],
    ["rtl8168g", [0x01, 0x05, 0x10, 0x11, 0x03], [0x01, 0x02, 0x03, 0x18]],
    ["rtl8168h", [0x01, 0x05, 0x10, 0x11, 0x03], [0x01, 0x02, 0x03, 0x18, 0x1e]],
    ["rtl8125b", [0x01, 0x05, 0x10, 0x11, 0x03], [0x01, 0x02, 0x03, 0x18, 0x1e]],
  ] as const) {
    const guest = new Guest({ chip: chipNamed(key)! });
    assert.deepEqual(capabilities(guest), plain, key);
    assert.deepEqual(extended(guest), more, key);
  }
});

test("the MSI-X table has as many masked entries as the capability says, and keeps written values", () => {
  for (const chip of chips) {
    const guest = new Guest({ chip });
    const { nic } = guest;
    const vectors = chip.profile.function.msixVectors;
    if (vectors === 0) {
      assert.equal(nic.size(4), 0);
      assert.equal(nic.read(4, 0, 4), ONES);
      continue;
    }
    assert.equal(nic.read("config", placeOf(guest, 0x11) + 2, 2) & 0x7ff, vectors - 1);
    for (let v = 0; v < vectors; v++) assert.equal(nic.read(4, 16 * v + 12, 4), 1);
    nic.write(4, 16 * vectors - 16, 4, 0xfee0_0000);
    assert.equal(nic.read(4, 16 * vectors - 16, 4), 0xfee0_0000);
    nic.write(4, 16 * vectors, 4, 0xfee0_0000);
    assert.equal(nic.read(4, 16 * vectors, 4), 0);
  }
});

test("the chip responds in a window only while its decoding is on", () => {
  const { nic } = new Guest();
  const id = nic.read(2, ChipId, 4);
  nic.write("config", 4, 2, MEMORY);
  assert.deepEqual([nic.read(0, ChipId, 4), nic.read(2, ChipId, 4)], [ONES, id]);
  nic.write("config", 4, 2, 1);
  assert.deepEqual([nic.read(0, ChipId, 4), nic.read(2, ChipId, 4), nic.read(4, 12, 4)], [id, ONES, ONES]);
  nic.write(2, Cfg9346, 1, Lock.unlock);
  assert.equal(nic.read(0, Cfg9346, 1), 0);
  assert.equal(nic.offences.asleep, 4);
});

test("the status register shows the interrupt, even while INTx is disabled", () => {
  const guest = new Guest();
  const pending = (): boolean => (guest.nic.read("config", 6, 2) & 8) !== 0;
  assert.deepEqual([pending(), guest.nic.asserted()], [false, false]);
  guest.w16(IntrMask, Intr.software);
  guest.w8(TxPoll, Poll.softwareInterrupt);
  assert.deepEqual([pending(), guest.nic.asserted()], [true, true]);
  guest.nic.write("config", 4, 2, 0x403);
  assert.deepEqual([pending(), guest.nic.asserted()], [true, false]);
});

test("a bus error is remembered until it is cleared by writing a one", () => {
  const guest = new Guest();
  guest.bringUp();
  guest.w32(0x24, 0);
  guest.w32(0x20, 0x1000);
  guest.w8(TxPoll, Poll.normalPriority);
  assert.equal(guest.nic.read("config", 6, 2) & 0x2000, 0x2000);
  guest.nic.write("config", 6, 2, 0);
  assert.equal(guest.nic.read("config", 6, 2) & 0x2000, 0x2000);
  guest.nic.write("config", 6, 2, 0x2000);
  assert.equal(guest.nic.read("config", 6, 2) & 0x2000, 0);
});

/**
 * Random actions of a guest (`Real`), compared with a second, independent model of the resulting state (`Expected`).
 */
interface Real {
  readonly guest: Guest;
  readonly chip: Chip;
}
interface Expected {
  state: number;
  enabled: boolean;
  decoding: boolean;
  unlocked: boolean;
}

class SetState implements fc.Command<Expected, Real> {
  readonly state: number;
  constructor(state: number) {
    this.state = state;
  }
  check = (): boolean => true;
  run(model: Expected, { guest, chip }: Real): void {
    const at = chip.profile.function.powerAt + 4;
    guest.nic.write("config", at, 2, (guest.nic.read("config", at, 2) & ~3) | this.state);
    if (model.state === 3 && this.state === 0 && (guest.nic.read("config", at, 2) & 8) === 0) {
      model.decoding = false;
      model.unlocked = false;
    }
    if (this.state === 0 || this.state > model.state) model.state = this.state;
    verify(model, guest, chip);
  }
  toString = (): string => `D${this.state}`;
}

class Act implements fc.Command<Expected, Real> {
  readonly name: string;
  readonly act: (model: Expected, real: Real) => void;
  constructor(name: string, act: (model: Expected, real: Real) => void) {
    this.name = name;
    this.act = act;
  }
  check = (): boolean => true;
  run(model: Expected, real: Real): void {
    this.act(model, real);
    verify(model, real.guest, real.chip);
  }
  toString = (): string => this.name;
}

const verify = (model: Expected, guest: Guest, chip: Chip): void => {
  const pmcsr = guest.nic.read("config", chip.profile.function.powerAt + 4, 2);
  const awake = model.state === 0 && model.decoding;
  assert.equal(pmcsr & 3, model.state);
  assert.equal((pmcsr & PME_ENABLE) !== 0, model.enabled);
  assert.equal(guest.nic.powerState, model.state);
  assert.equal(guest.nic.read("config", 4, 2) & MEMORY, model.decoding ? MEMORY : 0);
  assert.equal(guest.r8(Cfg9346) & 0xc0, !awake ? 0xc0 : model.unlocked ? 0xc0 : 0);
  assert.equal(guest.r32(ChipId) === ONES, !awake);
};

const actions = [
  new Act("decode", (model, { guest, chip }) => {
    guest.nic.write("config", 4, 2, MEMORY);
    model.decoding = true;
    assert.equal(guest.nic.read(chip.profile.function.registersBar, ChipId, 4) === ONES, model.state !== 0);
  }),
  new Act("unlock", (model, { guest }) => {
    guest.w8(Cfg9346, Lock.unlock);
    if (model.state === 0 && model.decoding) model.unlocked = true;
  }),
  new Act("enable PME", (model, { guest, chip }) => {
    const at = chip.profile.function.powerAt + 5;
    guest.nic.write("config", at, 1, 1);
    model.enabled = true;
  }),
  new Act("bus reset", (model, { guest }) => {
    guest.nic.reset();
    Object.assign(model, { state: 0, decoding: false, unlocked: false });
  }),
  new Act("power cycle", (model, { guest }) => {
    guest.nic.powerCycle();
    Object.assign(model, { state: 0, decoding: false, unlocked: false, enabled: false });
  }),
];

test("power states change as PCI requires; from D3hot to D0 only a chip with No_Soft_Reset keeps its registers", () => {
  const commands = fc.commands(
    [fc.nat(3).map((state) => new SetState(state)), ...actions.map((one) => fc.constant(one))],
    {
      maxCommands: 30,
    },
  );
  fc.assert(
    fc.property(commands, fc.constantFrom(...chips), (cmds, chip) => {
      fc.modelRun(
        () => ({
          model: { state: 0, enabled: false, decoding: true, unlocked: false },
          real: { guest: new Guest({ chip, strict: "off" }), chip },
        }),
        cmds,
      );
    }),
    { numRuns: 200 },
  );
});

test("a bus reset preserves PME enable; a write of 0 clears it", () => {
  const { nic } = new Guest();
  const at = nic.chip.profile.function.powerAt + 4;
  nic.write("config", at, 2, PME_ENABLE);
  nic.reset();
  assert.equal(nic.read("config", at, 2) & PME_ENABLE, PME_ENABLE);
  nic.write("config", at, 2, PME_STATUS);
  assert.equal(nic.read("config", at, 2) & (PME_ENABLE | PME_STATUS), 0);
});

test("vital product data is the EEPROM from its signature on, and zeros on chips with fuses", () => {
  for (const [key, first] of [
    ["rtl8169sc-180", 0x10ec_8129],
    ["rtl8168b", 0x10ec_8129],
    ["rtl8168h", 0],
    ["rtl8125b", 0],
  ] as const) {
    const guest = new Guest({ chip: chipNamed(key)! });
    const at = placeOf(guest, 0x03);
    guest.nic.write("config", at + 2, 2, 0);
    assert.equal(guest.nic.read("config", at + 2, 2), 0x8000, key);
    assert.equal(guest.nic.read("config", at + 4, 4), first, key);
    guest.nic.write("config", at + 4, 4, 0x1234_5678);
    guest.nic.write("config", at + 2, 2, 0x8000);
    assert.equal(guest.nic.read("config", at + 2, 2), 0, key);
    guest.nic.write("config", at + 2, 2, 0);
    assert.equal(guest.nic.read("config", at + 4, 4), first, key);
  }
});

test("configuration space offers no kinds of interrupts better than the model's option allows", () => {
  for (const [interrupts, expected] of [
    ["intx", [0x01, 0x10, 0x03]],
    ["msi", [0x01, 0x05, 0x10, 0x03]],
    ["msix", [0x01, 0x05, 0x10, 0x11, 0x03]],
  ] as const)
    assert.deepEqual(capabilities(new Guest({ chip: chipNamed("rtl8168h")!, interrupts })), expected);
});
