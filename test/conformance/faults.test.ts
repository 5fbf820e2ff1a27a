/**
 * Tests our driver under each fault of the model. It must report a clear error or count the loss, and must work
 * normally afterwards.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { QUIRKS } from "#chip/quirks.ts";
import { ChipCmd, Cmd, IntrMask, RxConf, RxConfig } from "#chip/registers.ts";
import { Events } from "#driver/events.ts";
import { type Finding, CHECK_MICROS, RING_AGAIN_MICROS, TRANSMIT_LIMIT_MICROS } from "#driver/health.ts";
import { FAULTS, type FaultName, LINK_LOSS_MICROS, MOMENTARY } from "#model/faults.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";
import { GENERATIONS } from "../rigs/generations.ts";

const inbound = (): Uint8Array => udp(ends({ inbound: true }), payload(100));

/** Asserts that a frame passes each way. */
const assertWorks = (rig: DirectRig): void => {
  rig.sent.length = 0;
  rig.send(udp(ends(), payload(100)));
  assert.equal(rig.sent.length, 1);
  rig.deliver(inbound());
  assert.equal(rig.poll().length, 1);
};

/** A running NIC without pending interrupts. */
const running = (chip = "rtl8168h"): DirectRig => {
  const rig = openDirectRig({ chip, strict: "warn" });
  rig.up();
  rig.poll();
  return rig;
};

/** Stops and starts the NIC, as the driver's owner does to recover. */
const restart = (rig: DirectRig): void => {
  rig.nic.down();
  rig.up();
};

const STEP_MICROS = 50_000;
/**
 * Checks the NIC every 50 ms, as a data plane does, until there is a finding or `maxMicros` microseconds have passed.
 * Returns the finding, if any, and the time in microseconds until then.
 */
const found = (rig: DirectRig, maxMicros: number, between: () => void = () => {}): [Finding | undefined, number] => {
  for (let passed = 0; passed < maxMicros;) {
    rig.pass(STEP_MICROS);
    passed += STEP_MICROS;
    const finding = rig.nic.checkHealth();
    if (finding !== undefined) return [finding, passed];
    between();
  }
  return [undefined, maxMicros];
};
const linkAgain = (rig: DirectRig): void => {
  for (let i = 0; i < 100 && !rig.nic.refreshLink().up; i++) rig.pass(1000);
};
/**
 * Asserts that the next check detects that the PHY has lost its settings, and that restarting the PHY alone repairs it.
 */
const restartsPhy = (rig: DirectRig): void => {
  const { lost } = rig.nic;
  const [finding] = found(rig, CHECK_MICROS);
  assert.equal(finding, "phyLost");
  rig.nic.restartPhy();
  linkAgain(rig);
  rig.poll();
  assert.deepEqual(found(rig, 2 * CHECK_MICROS)[0], undefined);
  assert.deepEqual(lost, { sent: 0, received: 0 });
};

/**
 * Functions that assert the effect of each fault on a running NIC. Afterwards the fault is disarmed, and the NIC must
 * work again.
 */
const UNDER: Readonly<Record<FaultName, (rig: DirectRig) => void>> = {
  "lost-interrupt": (rig) => {
    rig.deliver(inbound());
    assert.equal(rig.nic.line.take(), false);
    assert.ok(rig.nic.waiting, "polling the ring must find the frame");
    assert.equal(rig.poll().length, 1);
  },
  "repeated-interrupt": (rig) => {
    rig.deliver(inbound());
    assert.equal(rig.poll().length, 1);
    rig.pass(100);
    assert.ok(rig.nic.line.take());
    assert.equal(rig.nic.interrupt(), 0, "an interrupt without a cause must report no event");
  },
  "stuck-reset": (rig) => {
    const before = rig.clock.now();
    assert.throws(() => rig.nic.down(), { code: "RESET_TIMEOUT", waitedMicros: 10_000, hint: /bus mastering/ });
    assert.ok(rig.clock.now() - before < 30_000);
    assert.equal(rig.nic.running, false);
    assert.throws(() => rig.nic.up(), { code: "RESET_TIMEOUT" });
    assert.equal(rig.nic.running, false);
    rig.model.faults.disarm("stuck-reset");
    rig.up();
  },
  "stuck-counters": (rig) => {
    const before = rig.clock.now();
    assert.throws(() => rig.nic.tally(), { code: "TIMEOUT", message: /tally counters/ });
    assert.ok(rig.clock.now() - before <= 11_000);
    rig.model.faults.disarm("stuck-counters");
    assert.equal(rig.nic.tally().rxPackets, 0);
  },
  "dma-error": (rig) => {
    assert.equal(rig.deliver(inbound()), false);
    assert.ok(rig.nic.line.take());
    const events = rig.nic.interrupt();
    // On chips whose SYSErr may be spurious, the driver finds the error in PCI status, which it checks from time to
    // time.
    if (QUIRKS.spuriousSystemError.on(rig.nic.chip)) assert.equal(found(rig, CHECK_MICROS)[0], "systemError");
    else assert.notEqual(events & Events.broken, 0);
    assert.deepEqual(rig.nic.health.busErrors, ["master abort received"]);
    rig.model.faults.disarm("dma-error");
    restart(rig);
  },
  "upset-phy": restartsPhy,
  "forgetful-phy": restartsPhy,
  "lost-doorbell": (rig) => {
    rig.model.faults.arm("lost-doorbell", { count: 1 });
    rig.send(udp(ends(), payload(100)));
    assert.equal(rig.sent.length, 0);
    const [finding, after] = found(rig, TRANSMIT_LIMIT_MICROS);
    assert.equal(finding, "doorbellLost");
    assert.ok(after <= RING_AGAIN_MICROS + 3 * STEP_MICROS, `the failure was found after ${after} µs`);
    assert.equal(rig.sent.length, 1);
  },
  "stuck-transmitter": (rig) => {
    // The fault occurs twice, because `nic.reset` resets the chip twice: when it stops the chip and when it starts it.
    rig.model.faults.arm("stuck-transmitter", { count: 2 });
    for (let i = 0; i < 3; i++) rig.send(udp(ends(), payload(100)));
    const [finding, after] = found(rig, 2 * TRANSMIT_LIMIT_MICROS);
    assert.equal(finding, "transmitTimeout");
    assert.ok(after <= TRANSMIT_LIMIT_MICROS + 3 * STEP_MICROS, `the failure was found after ${after} µs`);
    rig.nic.reset();
    assert.deepEqual([rig.sent.length, { ...rig.nic.lost }], [0, { sent: 3, received: 0 }]);
  },
  "stuck-receiver": (rig) => {
    rig.model.faults.arm("stuck-receiver", { count: 2 });
    const [finding] = found(rig, 5 * CHECK_MICROS, () => {
      rig.deliver(inbound());
      rig.poll();
    });
    assert.equal(finding, "receiveStall");
    assert.ok(rig.nic.health.fifoOverflows >= 3, `${rig.nic.health.fifoOverflows}`);
    rig.nic.reset();
  },
  "silent-phy": (rig) => {
    const before = rig.clock.now();
    rig.nic.down();
    assert.deepEqual({ ...rig.nic.expiredWaits }, { count: 1, last: "the PHY to power down" });
    assert.throws(() => rig.nic.up(), {
      code: "SIDE_BUS_TIMEOUT",
      message: /^(PHY|MDIO) register 0x[0-9a-f]+ did not respond/,
      hint: /power the card off/,
    });
    assert.ok(rig.clock.now() - before < 100_000, `the attempt took ${rig.clock.now() - before} µs`);
    assert.equal(rig.nic.running, false);
    rig.model.faults.disarm("silent-phy");
    rig.up();
  },
  "receive-overflow": (rig) => {
    assert.equal(rig.deliver(inbound()), false);
    assert.equal(rig.poll().length, 0);
    assert.equal(rig.nic.tally().rxMissed, 1);
  },
  "link-loss": (rig) => {
    assert.throws(() => rig.nic.interrupt(), { code: "DEVICE_GONE" });
    rig.nic.down();
    assert.throws(() => rig.nic.up(), { code: "DEVICE_GONE" });
    rig.pass(LINK_LOSS_MICROS);
    rig.device.setBusMaster(false);
    rig.up();
  },
  removal: (rig) => {
    assert.throws(() => rig.nic.interrupt(), { code: "DEVICE_GONE", hint: /unplugged/ });
    rig.nic.down();
    assert.throws(() => rig.nic.up(), { code: "DEVICE_GONE" });
    rig.model.faults.disarm("removal");
    rig.up();
  },
};

/**
 * Faults that are armed by their entry in `UNDER`, with a count. Each other fault is armed before its entry is called.
 */
const ARMED_LATER: readonly FaultName[] = ["lost-doorbell", "stuck-transmitter", "stuck-receiver"];
const CHIPS_UNDER = [...GENERATIONS, "rtl8168h", "rtl8117-54a"];

for (const chip of CHIPS_UNDER)
  describe(`a running NIC (${chip}) under`, () => {
    for (const [name, act] of Object.entries(UNDER) as [FaultName, (rig: DirectRig) => void][])
      test(`${name}: ${FAULTS[name]}`, () => {
        using rig = running(chip);
        const before = rig.dma.live;
        if (!ARMED_LATER.includes(name)) rig.model.faults.arm(name);
        act(rig);
        assert.ok(!MOMENTARY.includes(name) || !rig.model.faults.isArmed(name));
        rig.model.faults.disarm(name);
        assert.equal(rig.dma.live, before);
        assertWorks(rig);
        // If a chip hangs in its reset, the driver stops waiting, and writes registers while the reset still lasts.
        const allowed = name === "stuck-reset" ? ["hurried"] : [];
        const offences = Object.entries(rig.model.offences).flatMap(([offence, n]) => (n > 0 ? [offence] : []));
        assert.deepEqual(offences, allowed);
      });
  });

test("a NIC that fails after its receiver was started is stopped before its rings are freed", () => {
  using rig = openDirectRig({ chip: "rtl8168g", strict: "warn" });
  rig.model.faults.arm("silent-phy");
  assert.throws(() => rig.nic.up(), { code: "SIDE_BUS_TIMEOUT" });
  rig.model.faults.disarm("silent-phy");
  const { registers } = rig;
  assert.equal(registers.read8(ChipCmd) & (Cmd.transmitEnable | Cmd.receiveEnable), 0);
  assert.equal(registers.read32(RxConfig) & RxConf.acceptMask, 0);
  assert.equal(registers.read16(IntrMask), 0);
  rig.up();
  assertWorks(rig);
});

test("a NIC that fails during probe is rejected, and nothing leaks", () => {
  for (const [name, code] of [
    ["stuck-reset", "RESET_TIMEOUT"],
    ["removal", "DEVICE_GONE"],
  ] as const)
    assert.throws(() => openDirectRig({ fault: name })[Symbol.dispose](), { code });
});

test("a chip whose PHY does not respond can be unbound", () => {
  const rig = running();
  rig.model.faults.arm("silent-phy");
  rig.bound[Symbol.dispose]();
  assert.equal(rig.bound.state, "unbound");
  rig.device[Symbol.dispose]();
});

test("a program that is paused for a minute while frames are in flight finds no failure of the NIC", () => {
  using rig = openDirectRig();
  rig.up();
  rig.model.faults.arm("lost-doorbell", { count: 1 });
  rig.send(udp(ends(), payload(100)));
  assert.equal(rig.nic.checkHealth(), undefined);
  rig.clock.delay(60_000_000);
  assert.equal(rig.nic.checkHealth(), undefined);
  assert.equal(found(rig, TRANSMIT_LIMIT_MICROS)[0], "doorbellLost");
});

test("a link comes up although an extended register does not respond, and the expired wait is counted", () => {
  using rig = openDirectRig({ chip: "rtl8168evl", carrier: false });
  rig.nic.up();
  // This chip's MAC is adapted to each new link through these registers.
  rig.model.setLatency("eri", Infinity);
  rig.model.setCarrier(true);
  linkAgain(rig);
  assert.equal(rig.nic.link.up, true);
  assert.deepEqual({ ...rig.nic.expiredWaits }, { count: 1, last: "the MAC to adapt to the link" });
});
