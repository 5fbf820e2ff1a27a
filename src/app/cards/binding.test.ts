import assert from "node:assert/strict";
import { suite, test } from "node:test";
import * as fc from "fast-check";
import { CarriesTraffic, CardInUse, UnknownCard, BindFailed, NotOfFamily, NotUsable } from "./errors.ts";
import { Crash, FakeMachine, type FakeFunction, MACHINE } from "./machine.test-kit.ts";
import { VFIO_PCI } from "./machine.ts";
import { restoreDriver, bindToVfio } from "./binding.ts";

const CARD = "0000:03:00.0";
const GENTLY = { force: false, unsafeNoIommu: false };
const FORCED = { ...GENTLY, force: true };

const machineWith = (card: FakeFunction = { driver: "r8169", interfaces: ["eth0"] }): FakeMachine => {
  const machine = new FakeMachine();
  machine.plug(CARD, card);
  return machine;
};

/** Asserts that the card is in its initial state: bound to `driver`, without driver_override, and without a record. */
const assertUntouched = (machine: FakeMachine, driver = "r8169"): void => {
  assert.equal(machine.driverOf(CARD) ?? "none", driver);
  assert.equal(machine.overrideOf(CARD), "(null)");
  assert.equal(machine.records.read(CARD), undefined);
};

suite("binding a card", () => {
  test("a card is bound through driver_override, and returned to its former driver", async () => {
    using machine = machineWith();
    const there = await bindToVfio(machine.context, CARD, GENTLY);
    assert.deepEqual(there, { address: CARD, from: "r8169", to: VFIO_PCI, changed: true });
    assert.equal(machine.overrideOf(CARD), VFIO_PCI);
    assert.deepEqual(machine.records.read(CARD), { driver: "r8169", module: "r8169", override: undefined });
    const back = await restoreDriver(machine.context, CARD, { force: false });
    assert.deepEqual(back, { address: CARD, from: VFIO_PCI, to: "r8169", changed: true });
    assertUntouched(machine);
  });

  test("vfio-pci is loaded only if it is not loaded yet", async () => {
    using machine = machineWith();
    await bindToVfio(machine.context, CARD, GENTLY);
    assert.ok(machine.asked.includes("load vfio-pci"));
    await restoreDriver(machine.context, CARD, { force: false });
    machine.asked.length = 0;
    await bindToVfio(machine.context, CARD, GENTLY);
    assert.deepEqual(machine.asked, [
      "set driver_override vfio-pci",
      `ask r8169/unbind ${CARD}`,
      `ask pci/drivers_probe ${CARD}`,
    ]);
  });

  test("binding a card for the second time changes nothing", async () => {
    using machine = machineWith();
    await bindToVfio(machine.context, CARD, GENTLY);
    machine.asked.length = 0;
    assert.equal((await bindToVfio(machine.context, CARD, GENTLY)).changed, false);
    assert.deepEqual(machine.asked, []);
    await restoreDriver(machine.context, CARD, { force: false });
    assertUntouched(machine);
  });

  test("a card that vfio-pci refuses is returned to its former driver, and the error says so", async () => {
    using machine = machineWith();
    machine.broken.add(CARD);
    await assert.rejects(bindToVfio(machine.context, CARD, GENTLY), BindFailed);
    assertUntouched(machine);
  });

  test("if vfio-pci cannot be loaded, modprobe's error is reported and nothing is changed", async () => {
    using machine = machineWith();
    machine.modules.delete(VFIO_PCI);
    await assert.rejects(
      bindToVfio(machine.context, CARD, GENTLY),
      /vfio-pci cannot be loaded: Module vfio-pci not found/,
    );
    assertUntouched(machine);
  });
});

const refused = async (machine: FakeMachine, error: new (...words: never[]) => Error): Promise<void> => {
  await assert.rejects(bindToVfio(machine.context, CARD, GENTLY), error);
  assert.deepEqual(machine.asked, []);
  assert.equal(machine.records.read(CARD), undefined);
};

suite("checks before a card is bound", () => {
  test("a card that does not exist is not bound", async () => {
    using machine = new FakeMachine();
    await refused(machine, UnknownCard);
  });

  test("a card of another family, or with an RTL8139 older than the C+, is not bound", async () => {
    using foreign = machineWith({ vendor: "0x8086", device: "0x10d3", driver: "e1000e" });
    await refused(foreign, NotOfFamily);
    using old = machineWith({ device: "0x8139", revision: "0x10", driver: "8139too" });
    await refused(old, NotOfFamily);
    using plus = machineWith({ device: "0x8139", revision: "0x20", driver: "8139cp" });
    await bindToVfio(plus.context, CARD, GENTLY);
    assert.equal(plus.driverOf(CARD), VFIO_PCI);
  });

  test("a card that carries the default route is not bound, unless forced", async () => {
    using machine = machineWith();
    machine.trafficOver = ["the default route (IPv4, br0 over eth0)"];
    await refused(machine, CarriesTraffic);
    await bindToVfio(machine.context, CARD, FORCED);
    assert.equal(machine.driverOf(CARD), VFIO_PCI);
  });

  test("a card whose IOMMU group has another bound device, except a bridge, is bound only if forced", async () => {
    using machine = machineWith();
    machine.plug("0000:00:1c.0", { vendor: "0x8086", device: "0x1", class: "0x060400", driver: "pcieport" });
    machine.plug("0000:03:00.2", { vendor: "0x8086", device: "0x2" });
    await bindToVfio(machine.context, CARD, GENTLY);
    await restoreDriver(machine.context, CARD, { force: false });
    machine.asked.length = 0;
    machine.plug("0000:03:00.1", { vendor: "0x8086", device: "0x3", driver: "ahci" });
    await assert.rejects(bindToVfio(machine.context, CARD, GENTLY), (error: NotUsable) => {
      assert.match(error.message, /group 7 is not viable because of 0000:03:00.1 \(ahci\)/);
      assert.match(error.hint, /echo 0000:03:00.1 \| sudo tee \/sys\/bus\/pci\/drivers\/ahci\/unbind/);
      return true;
    });
    assert.deepEqual(machine.asked, []);
    await bindToVfio(machine.context, CARD, FORCED);
  });

  test("a card is bound if all other devices in its IOMMU group are cards of this family", async () => {
    using machine = machineWith();
    const other = "0000:03:00.1";
    machine.plug(other, { driver: "r8169" });
    await bindToVfio(machine.context, CARD, GENTLY);
    await bindToVfio(machine.context, other, GENTLY);
    assert.deepEqual([machine.driverOf(CARD), machine.driverOf(other)], [VFIO_PCI, VFIO_PCI]);
  });

  test("a card without an IOMMU is bound only with --unsafe-noiommu and in VFIO's no-IOMMU mode", async () => {
    using machine = machineWith({ driver: "r8169", group: -1 });
    machine.machine = { ...MACHINE, iommus: [], groups: 0, iommuWords: [] };
    await assert.rejects(bindToVfio(machine.context, CARD, FORCED), (error: NotUsable) => error.code === "NO_IOMMU");
    await assert.rejects(bindToVfio(machine.context, CARD, { ...FORCED, unsafeNoIommu: true }), NotUsable);
    machine.machine = { ...machine.machine, unsafeNoIommu: true };
    await assert.rejects(bindToVfio(machine.context, CARD, FORCED), NotUsable);
    await bindToVfio(machine.context, CARD, { ...GENTLY, unsafeNoIommu: true });
    assert.equal(machine.driverOf(CARD), VFIO_PCI);
  });
});

suite("returning a card", () => {
  test("returning a card that was not bound changes nothing", async () => {
    using machine = machineWith();
    assert.equal((await restoreDriver(machine.context, CARD, { force: false })).changed, false);
    assert.deepEqual(machine.asked, []);
  });

  test("a card without a record is returned to the driver that accepts it, which is loaded if necessary", async () => {
    using machine = machineWith({ driver: VFIO_PCI, override: VFIO_PCI });
    await restoreDriver(machine.context, CARD, { force: false });
    assertUntouched(machine);
  });

  test("a card that had no driver is left without one", async () => {
    using machine = machineWith({});
    await bindToVfio(machine.context, CARD, GENTLY);
    assert.deepEqual(await restoreDriver(machine.context, CARD, { force: false }), {
      address: CARD,
      from: VFIO_PCI,
      to: undefined,
      changed: true,
    });
    assertUntouched(machine, "none");
  });

  test("a driver_override that was set before binding is kept", async () => {
    using machine = machineWith({ driver: "r8169", override: "r8169" });
    await bindToVfio(machine.context, CARD, GENTLY);
    await restoreDriver(machine.context, CARD, { force: false });
    assert.equal(machine.overrideOf(CARD), "r8169");
    assert.equal(machine.driverOf(CARD), "r8169");
  });

  test("the card is returned to its former driver even if vfio-pci's id table has the card's id", async () => {
    using machine = machineWith();
    machine.modules.set(VFIO_PCI, ["0x10ec:0x8168"]);
    machine.modules.set("a-first", ["0x10ec:0x8168"]);
    await bindToVfio(machine.context, CARD, GENTLY);
    await restoreDriver(machine.context, CARD, { force: false });
    assertUntouched(machine);
  });

  test("returning a card in use fails and names the process; if forced, it waits for a limited time", async () => {
    using machine = machineWith();
    await bindToVfio(machine.context, CARD, GENTLY);
    machine.open.add(CARD);
    machine.link(`${machine.files.proc}/1234/fd/9`, "/dev/vfio/7");
    machine.write(`${machine.files.proc}/1234/cmdline`, "node\0ferrule\0up\0");
    machine.asked.length = 0;
    await assert.rejects(restoreDriver(machine.context, CARD, { force: false }), /process 1234 \(node ferrule up\)/);
    assert.deepEqual(machine.asked, []);
    await assert.rejects(restoreDriver(machine.context, CARD, { force: true }), CardInUse);
    machine.open.clear();
    await restoreDriver(machine.context, CARD, { force: true });
    assertUntouched(machine);
  });

  test("returning a card that no driver accepts fails, and can be repeated", async () => {
    using machine = machineWith({ driver: VFIO_PCI, override: VFIO_PCI });
    machine.modules.delete("r8169");
    await assert.rejects(
      restoreDriver(machine.context, CARD, { force: false }),
      /was not bound to a kernel driver, but to no driver/,
    );
    machine.modules.set("r8169", ["0x10ec:0x8168"]);
    await restoreDriver(machine.context, CARD, { force: false });
    assertUntouched(machine);
  });

  test("the record of a card that was removed is deleted", async () => {
    using machine = machineWith();
    machine.records.write("0000:09:00.0", { driver: "r8169", module: "r8169", override: undefined });
    await assert.rejects(restoreDriver(machine.context, "0000:09:00.0", { force: false }), UnknownCard);
    assert.equal(machine.records.read("0000:09:00.0"), undefined);
  });
});

/**
 * Runs `act` repeatedly. The process is killed at the first request to the kernel, then at the second, and so on, each
 * time once before and once after the kernel executes the request. The loop ends when `act` completes.
 * @returns the number of requests
 */
const atEveryStep = async (
  prepare: (machine: FakeMachine) => Promise<unknown>,
  act: (machine: FakeMachine) => Promise<unknown>,
  repair: (machine: FakeMachine) => Promise<unknown>,
): Promise<number> => {
  for (let step = 1; ; step++)
    for (const after of [false, true]) {
      using machine = machineWith();
      await prepare(machine);
      machine.dies = { in: step, after };
      const died = await act(machine).then(
        () => false,
        (error: unknown) => error instanceof Crash,
      );
      machine.dies = undefined;
      if (!died) return step - 1;
      await repair(machine);
      assertUntouched(machine);
    }
};
const nothing = async (): Promise<void> => undefined;
const taken = (machine: FakeMachine): Promise<unknown> => bindToVfio(machine.context, CARD, GENTLY);
const given = (machine: FakeMachine): Promise<unknown> => restoreDriver(machine.context, CARD, { force: false });

/** Returns the card to its former driver after its record was lost. */
const lost = async (machine: FakeMachine): Promise<void> => {
  machine.records.remove(CARD);
  await given(machine);
};

suite("crashes", () => {
  test("after a crash at any step of binding, unbinding returns the card", async () => {
    assert.equal(await atEveryStep(nothing, taken, given), 4);
  });

  test("after a crash at any step of binding, binding again completes it", async () => {
    const again = async (machine: FakeMachine): Promise<void> => {
      await taken(machine);
      assert.equal(machine.driverOf(CARD), VFIO_PCI);
      await given(machine);
    };
    await atEveryStep(nothing, taken, again);
  });

  test("after a crash at any step of unbinding, unbinding again completes it", async () => {
    assert.equal(await atEveryStep(taken, given, given), 3);
  });

  test("after a crash while binding, unbinding returns the card even if the record was lost", async () => {
    await atEveryStep(nothing, taken, lost);
  });

  test("after any sequence of attempts, crashed or not, unbinding gives the card its former driver", async () => {
    const attempt = fc.record({
      act: fc.constantFrom(taken, given),
      dies: fc.option(fc.record({ in: fc.integer({ min: 1, max: 5 }), after: fc.boolean() }), { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(attempt, { maxLength: 6 }), async (attempts) => {
        using machine = machineWith();
        for (const { act, dies } of attempts) {
          machine.dies = dies && { ...dies };
          await act(machine).catch((error: unknown) => assert.ok(error instanceof Crash, String(error)));
        }
        machine.dies = undefined;
        await given(machine);
        assertUntouched(machine);
      }),
      { numRuns: 25 },
    );
  });
});
