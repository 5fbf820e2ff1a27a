/**
 * Tests wake-up, suspend, resume and shutdown on the direct rig: the wake-up events of each die, and the state of the
 * NIC afterwards.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DirectDevice } from "#bus/direct.ts";
import { CHIPS, type Chip } from "#chip/chips.ts";
import { ChipCmd, Cmd, PMCH, Pmch } from "#chip/registers.ts";
import { rtl8169 } from "#driver/probe.ts";
import { WAKE_FORMS, type WakeForm } from "#driver/wake.ts";
import { bind } from "#kit/device.ts";
import { DeviceGone, Sleeping } from "#kit/errors.ts";
import { type DirectRig, type DirectRigOptions, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { DIES } from "../rigs/generations.ts";

const D3HOT = 3;
const OWN = Uint8Array.of(2, 0, 0, 0, 0, 1);
const GROUP = Uint8Array.of(1, 0, 0x5e, 0, 0, 1);
const ALL = new Uint8Array(6).fill(0xff);
const STRANGER = Uint8Array.of(2, 9, 9, 9, 9, 9);

const frameTo = (destination: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(60);
  frame.set(destination);
  frame.set(STRANGER, 6);
  return frame;
};

const magicFor = (address: Uint8Array): Uint8Array => {
  const frame = new Uint8Array(14 + 6 + 16 * 6);
  frame.set(ALL);
  frame.fill(0xff, 14, 20);
  for (let n = 0; n < 16; n++) frame.set(address, 20 + 6 * n);
  return frame;
};

const FRAMES: Readonly<Record<Exclude<WakeForm, "link">, Uint8Array>> = {
  unicast: frameTo(OWN),
  multicast: frameTo(GROUP),
  broadcast: frameTo(ALL),
  magic: magicFor(OWN),
};

interface Night extends DirectRig {
  /** The number of PME signals so far. */
  readonly woken: () => number;
}

const openRig = (chip: Chip, options: DirectRigOptions = {}): Night => {
  const rig = openDirectRig({ ...options, chip: chip.key });
  let woken = 0;
  rig.model.onWake(() => woken++);
  return { ...rig, woken: () => woken, [Symbol.dispose]: () => rig[Symbol.dispose]() };
};

const settle = (rig: DirectRig): void => {
  for (let i = 0; i < 100 && !rig.nic.link.up; i++) {
    rig.clock.delay(1000);
    if (rig.nic.line.take()) rig.nic.interrupt();
    rig.nic.unmask();
  }
  assert.ok(rig.nic.link.up, "no link");
};

const assertNoOffence = ({ model }: DirectRig): void =>
  assert.deepEqual(
    Object.entries(model.offences).filter(([, count]) => count > 0),
    [],
  );

/** Asserts that a frame passes each way. */
const carries = (rig: DirectRig, address = OWN): void => {
  rig.sent.length = 0;
  rig.send(udp(ends(), payload(100)));
  rig.poll();
  assert.equal(rig.sent.length, 1);
  assert.ok(rig.deliver(frameTo(address)));
  assert.equal(rig.poll().length, 1);
};

for (const chip of DIES) {
  for (const form of WAKE_FORMS)
    test(`${chip.key} armed for ${form} is woken by that event only`, () => {
      using rig = openRig(chip);
      rig.up();
      rig.nic.wake.armed = [form];
      rig.nic.power.suspend();
      assert.equal(rig.model.powerState, D3HOT);
      rig.pass(20_000);
      assert.equal(rig.woken(), 0, "a wake-up before any event");
      rig.setCarrier(false);
      rig.pass(20_000);
      assert.equal(rig.woken(), 0, "a wake-up because the link went down");
      rig.setCarrier(true);
      rig.pass(20_000);
      assert.equal(rig.woken() > 0, form === "link", "only the form `link` wakes when the link comes up");
      for (const [name, frame] of Object.entries(FRAMES)) {
        const before = rig.woken();
        rig.deliver(frame);
        // The magic packet of this test is also a broadcast.
        const expected = name === form || (name === "magic" && form === "broadcast");
        assert.equal(rig.woken() > before, expected, name);
      }
      rig.deliver(frameTo(STRANGER));
      rig.deliver(magicFor(STRANGER).fill(2, 0, 6));
      const { woken } = rig.nic.power.resume();
      assert.equal(woken, true);
      settle(rig);
      carries(rig);
      assert.deepEqual(rig.nic.wake.armed, [form]);
      assertNoOffence(rig);
    });

  test(`${chip.key} with nothing armed does not wake up, and its PHY is powered down`, () => {
    using rig = openRig(chip);
    rig.up();
    rig.nic.power.suspend();
    rig.pass(20_000);
    assert.equal(rig.model.link.up, false);
    for (const frame of Object.values(FRAMES)) rig.deliver(frame);
    assert.deepEqual(rig.nic.power.resume().woken, false);
    assert.equal(rig.woken(), 0);
    settle(rig);
    carries(rig);
  });

  test(`${chip.key} resumes with its address, filter, MTU, rings and moderation`, () => {
    using rig = openRig(chip);
    rig.up();
    const mtu = Math.min(2000, chip.largestMtu);
    const slots = rig.nic.slots / 2;
    rig.nic.setMtu(mtu);
    rig.nic.setRings(slots);
    rig.nic.address = STRANGER;
    rig.nic.filter = { promiscuous: false, groups: [] };
    settle(rig);
    rig.nic.power.suspend();
    assert.equal(rig.nic.running, false);
    rig.nic.power.resume();
    settle(rig);
    assert.deepEqual([rig.nic.mtu, rig.nic.slots, [...rig.nic.address]], [mtu, slots, [...STRANGER]]);
    carries(rig, STRANGER);
    rig.deliver(frameTo(GROUP));
    rig.deliver(frameTo(OWN));
    assert.equal(rig.poll().length, 0);
  });

  test(`${chip.key} after a shutdown has its own address, accesses no memory, and works with the next driver`, () => {
    using rig = openRig(chip);
    rig.up();
    rig.nic.address = STRANGER;
    rig.nic.wake.armed = ["magic"];
    rig.nic.power.shutdown({ wake: true });
    assert.equal(rig.model.powerState, D3HOT);
    rig.pass(20_000);
    rig.bound[Symbol.dispose]();
    assert.equal(rig.model.powerState, D3HOT, "the chip must stay asleep without the driver");
    rig.deliver(FRAMES.magic);
    assert.equal(rig.woken(), 1);
    const { registersBar: registers } = chip.profile.function;
    using device = new DirectDevice(rig.model, { name: "next", registers, dmaBytes: 8 << 20, vectors: 4 });
    using next = bind(rtl8169, device, { clock: rig.clock, mtu: 1500, weaklyOrdered: false });
    assert.deepEqual([...next.driver.address], [...OWN]);
    assert.equal(rig.model.powerState, 0);
    next.driver.up();
    for (let i = 0; i < 100 && !next.driver.link.up; i++) {
      rig.pass(1000);
      next.driver.refreshLink();
    }
    assert.ok(next.driver.link.up);
    assertNoOffence(rig);
  });
}

test("a shutdown without wake-up stops the NIC and leaves it in D0 with its PHY powered down", () => {
  using rig = openRig(CHIPS.find(({ key }) => key === "rtl8168h")!);
  rig.up();
  rig.nic.wake.armed = ["magic"];
  rig.nic.power.shutdown({ wake: false });
  assert.deepEqual([rig.nic.running, rig.model.powerState], [false, 0]);
  rig.pass(20_000);
  assert.equal(rig.model.link.up, false);
  assert.equal(rig.registers.read8(ChipCmd) & (Cmd.receiveEnable | Cmd.transmitEnable), 0);
});

test("the PLL stays on in D3hot, in D3cold only while wake-up is armed, and always on the RTL8127A", () => {
  const both = Pmch.d3hotKeepPll | Pmch.d3coldKeepPll;
  for (const [key, off] of [
    ["rtl8168h", Pmch.d3hotKeepPll],
    ["rtl8125b", Pmch.d3hotKeepPll],
    ["rtl8127a", both],
  ] as const) {
    using rig = openRig(CHIPS.find((chip) => chip.key === key)!);
    rig.up();
    assert.equal(rig.registers.read8(PMCH), off, key);
    rig.nic.wake.armed = ["magic"];
    assert.equal(rig.registers.read8(PMCH), both, key);
    rig.nic.wake.armed = [];
    assert.equal(rig.registers.read8(PMCH), off, key);
  }
});

test("an unknown wake-up event is rejected by name, and the previous setting stays", () => {
  using rig = openRig(DIES[0]!);
  rig.nic.wake.armed = ["magic"];
  assert.throws(
    () => (rig.nic.wake.armed = ["pattern" as WakeForm]),
    (error: { code?: string; hint?: string }) => error.code === "NO_WAKE_UP" && error.hint!.includes("magic"),
  );
  assert.deepEqual(rig.nic.wake.armed, ["magic"]);
});

test("a rejected setting does not change the system's permission to wake the machine", () => {
  using rig = openRig(CHIPS.find(({ key }) => key === "rtl8168h")!);
  let allowed = false;
  const { power } = rig.device;
  const allow = power.allowWake.bind(power);
  power.allowWake = (on) => allow((allowed = on));
  rig.up();
  for (const armed of [["magic"], []] as const) {
    rig.nic.wake.armed = armed;
    rig.nic.power.suspend();
    assert.throws(() => (rig.nic.wake.armed = armed.length > 0 ? [] : ["magic"]), Sleeping);
    assert.equal(allowed, armed.length > 0);
    rig.nic.power.resume();
  }
});

test("a NIC whose PHY does not respond is still woken by the armed frame", () => {
  for (const chip of DIES) {
    using rig = openRig(chip);
    rig.up();
    rig.nic.wake.armed = ["magic"];
    rig.model.faults.arm("silent-phy");
    rig.nic.power.suspend();
    rig.pass(20_000);
    rig.deliver(FRAMES.magic);
    assert.equal(rig.woken(), 1, chip.key);
    assert.equal(rig.nic.expiredWaits.last, "the PHY to slow down", chip.key);
  }
});

test("registers are not accessed while the chip sleeps, and a second suspend or resume has no effect", () => {
  using rig = openRig(CHIPS.find(({ key }) => key === "rtl8168h")!);
  rig.up();
  rig.nic.power.suspend();
  rig.nic.power.suspend();
  assert.throws(() => rig.nic.tally(), Sleeping);
  assert.throws(() => (rig.nic.wake.armed = ["magic"]), Sleeping);
  assert.deepEqual(rig.nic.wake.armed, []);
  assert.equal(rig.nic.interrupt(), 0);
  const { link } = rig.nic.power.resume();
  assert.equal(rig.nic.power.resume().link, link);
  settle(rig);
  carries(rig);
});

test("a NIC that is down when it is suspended is down afterwards, and receives magic packets meanwhile", () => {
  using rig = openRig(CHIPS.find(({ key }) => key === "rtl8168h")!);
  rig.up();
  rig.nic.down();
  rig.nic.wake.armed = ["magic"];
  rig.nic.power.suspend();
  rig.pass(20_000);
  rig.deliver(FRAMES.magic);
  assert.deepEqual(rig.nic.power.resume(), { link: undefined, woken: true });
  assert.equal(rig.nic.running, false);
});

test("frames in flight at suspend are sent or lost, none is sent twice, and traffic continues afterwards", () => {
  for (const chip of DIES) {
    using rig = openRig(chip);
    rig.up();
    for (let night = 0; night < 10; night++) {
      for (let n = 0; n < 20; n++) {
        rig.send(udp(ends(), payload(50 + n)));
        rig.deliver(frameTo(OWN));
      }
      rig.nic.power.suspend();
      assert.ok(rig.sent.length <= 20, `${chip.key}: ${rig.sent.length} sent`);
      rig.nic.power.resume();
      settle(rig);
      carries(rig);
      rig.sent.length = 0;
    }
  }
});

test("a card that is removed while it sleeps is an error at resume, and is released without another error", () => {
  using rig = openRig(CHIPS.find(({ key }) => key === "rtl8168h")!);
  rig.up();
  rig.nic.power.suspend();
  rig.model.faults.arm("removal");
  assert.throws(() => rig.nic.power.resume(), DeviceGone);
});

test("resuming takes less than 150 ms, besides the time until the link is up", () => {
  for (const chip of DIES) {
    using rig = openRig(chip);
    rig.up();
    rig.nic.power.suspend();
    const before = rig.clock.now();
    rig.nic.power.resume();
    assert.ok(rig.clock.now() - before < 150_000, `${chip.key} resumes in ${rig.clock.now() - before} µs`);
  }
});
