/** Each fault of the model with our driver: a clear error or a counted loss, and normal operation afterwards. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ChipCmd, Cmd, IntrMask, RxConf, RxConfig } from "#chip/registers.ts";
import { Events } from "#driver/events.ts";
import { FAULTS, type FaultName } from "#model/faults.ts";
import { type DirectRig, openDirectRig } from "../rigs/direct.ts";
import { ends, payload, udp } from "../rigs/frames.ts";

const inbound = (): Uint8Array => udp(ends({ inbound: true }), payload(100));

/** Frames pass both ways. */
const assertWorks = (rig: DirectRig): void => {
  rig.sent.length = 0;
  rig.send(udp(ends(), payload(100)));
  assert.equal(rig.sent.length, 1);
  rig.deliver(inbound());
  assert.equal(rig.poll().length, 1);
};

/** A running NIC whose interrupts have all been taken. */
const running = (): DirectRig => {
  const rig = openDirectRig({ strict: "warn" });
  rig.up();
  rig.poll();
  return rig;
};

/** Down and up again, as the driver's owner restarts a NIC. */
const restart = (rig: DirectRig): void => {
  rig.nic.down();
  rig.up();
};

/** What the fault does to a running NIC; afterwards it is disarmed and the NIC must work again. */
const UNDER: Readonly<Record<FaultName, (rig: DirectRig) => void>> = {
  "lost-interrupt": (rig) => {
    rig.deliver(inbound());
    assert.equal(rig.nic.line.take(), false);
    assert.ok(rig.nic.waiting, "looking at the ring finds the frame");
    assert.equal(rig.poll().length, 1);
  },
  "repeated-interrupt": (rig) => {
    rig.deliver(inbound());
    assert.equal(rig.poll().length, 1);
    rig.pass(100);
    assert.ok(rig.nic.line.take());
    assert.equal(rig.nic.interrupt(), 0, "an interrupt without a cause");
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
    assert.notEqual(rig.nic.interrupt() & Events.broken, 0);
    rig.model.faults.disarm("dma-error");
    restart(rig);
  },
  "silent-phy": (rig) => {
    const before = rig.clock.now();
    rig.nic.down();
    assert.deepEqual({ ...rig.nic.overdue }, { count: 1, last: "the PHY to power down" });
    assert.throws(() => rig.nic.up(), {
      code: "SIDE_BUS_TIMEOUT",
      message: /^PHY register 0x[0-9a-f]+ did not answer/,
      hint: /power cycle/,
    });
    assert.ok(rig.clock.now() - before < 100_000, `${rig.clock.now() - before} µs`);
    assert.equal(rig.nic.running, false);
    rig.model.faults.disarm("silent-phy");
    rig.up();
  },
  "receive-overflow": (rig) => {
    assert.equal(rig.deliver(inbound()), false);
    assert.equal(rig.poll().length, 0);
    assert.equal(rig.nic.tally().rxMissed, 1);
  },
  removal: (rig) => {
    assert.throws(() => rig.nic.interrupt(), { code: "DEVICE_GONE", hint: /unplugged/ });
    rig.nic.down();
    assert.throws(() => rig.nic.up(), { code: "DEVICE_GONE" });
    rig.model.faults.disarm("removal");
    rig.up();
  },
};

describe("a running NIC under", () => {
  for (const [name, act] of Object.entries(UNDER))
    test(`${name}: ${FAULTS[name as FaultName]}`, () => {
      using rig = running();
      const before = rig.dma.live;
      rig.model.faults.arm(name);
      act(rig);
      rig.model.faults.disarm(name);
      assert.equal(rig.dma.live, before);
      assertWorks(rig);
      // Who tries to reset a chip that hangs in its reset writes registers while it does.
      const allowed = name === "stuck-reset" ? ["hurried"] : [];
      const offences = Object.entries(rig.model.offences).flatMap(([offence, n]) => (n > 0 ? [offence] : []));
      assert.deepEqual(offences, allowed);
    });
});

test("a NIC that fails after its receiver was started is stopped, because it has the addresses of rings that are freed", () => {
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
