import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { SystemError } from "#sys/errno.ts";
import { CardInUse, UnknownCard, NotOfFamily, NotUsable } from "./errors.ts";
import { cardAt } from "./binding.ts";
import { trafficOf, checkCard, isPrepared, preparedTaps } from "./local-machine.ts";
import { FakeNetwork } from "./network.test-kit.ts";
import { FakeMachine, type FakeFunction } from "./machine.test-kit.ts";
import { VFIO_PCI } from "./machine.ts";

const CARD = "0000:03:00.0";

/** A machine with an IOMMU, a card in group 7, and the group's file. */
const machineWith = (card: FakeFunction): FakeMachine => {
  const machine = new FakeMachine();
  machine.plug(CARD, card);
  machine.write(join(machine.files.sys, "class/iommu/dmar0"), "");
  machine.write(join(machine.files.dev, "vfio/7"), "");
  machine.write(join(machine.files.dev, "vfio/noiommu-7"), "");
  return machine;
};

const codeOf = (machine: FakeMachine, options?: { unsafeNoIommu: boolean }): string => {
  try {
    checkCard(CARD, options, machine.files);
    return "fine";
  } catch (error) {
    assert.ok(error instanceof NotUsable || error instanceof CardInUse);
    assert.notEqual(error.hint, "");
    return error.code;
  }
};

test("a card that is bound to vfio-pci, with a group file that may be opened, may be used", () => {
  using machine = machineWith({ driver: VFIO_PCI });
  assert.equal(checkCard(CARD, {}, machine.files).address, CARD);
});

test("each reason that a card cannot be used has its own error code", () => {
  using unbound = machineWith({ driver: "r8169" });
  assert.equal(codeOf(unbound), "NO_VFIO_PCI");
  unbound.write(join(unbound.files.driver(VFIO_PCI), "bind"), "");
  assert.equal(codeOf(unbound), "NOT_BOUND");
  using without = machineWith({ driver: VFIO_PCI, group: -1 });
  assert.equal(codeOf(without), "NO_IOMMU");
  using shared = machineWith({ driver: VFIO_PCI });
  shared.plug("0000:03:00.1", { vendor: "0x8086", driver: "ahci" });
  assert.equal(codeOf(shared), "GROUP_NOT_VIABLE");
  using used = machineWith({ driver: VFIO_PCI });
  used.link(join(used.files.proc, "77/fd/3"), "/dev/vfio/7");
  assert.equal(codeOf(used), "IN_USE");
  using fileless = machineWith({ driver: VFIO_PCI, group: 8 });
  assert.equal(codeOf(fileless), "NO_PERMISSION");
});

test("a card without an IOMMU may be used only on request, and only in VFIO's no-IOMMU group", () => {
  using machine = machineWith({ driver: VFIO_PCI });
  machine.write(join(machine.files.sys, "kernel/iommu_groups/7/name"), "vfio-noiommu\n");
  assert.equal(codeOf(machine), "NO_IOMMU");
  assert.equal(codeOf(machine, { unsafeNoIommu: true }), "fine");
  using unbound = machineWith({ driver: "r8169", group: -1 });
  unbound.write(join(unbound.files.sys, "module/vfio/parameters/enable_unsafe_noiommu_mode"), "Y\n");
  unbound.write(join(unbound.files.driver(VFIO_PCI), "bind"), "");
  assert.equal(codeOf(unbound), "NO_IOMMU");
  assert.equal(codeOf(unbound, { unsafeNoIommu: true }), "NOT_BOUND");
  using guarded = machineWith({ driver: VFIO_PCI, group: -1 });
  assert.equal(codeOf(guarded, { unsafeNoIommu: true }), "NO_IOMMU");
});

test("an empty slot, and a device of another family, are separate errors", () => {
  using machine = machineWith({ vendor: "0x8086" });
  assert.throws(() => checkCard("0000:04:00.0", {}, machine.files), UnknownCard);
  assert.throws(() => checkCard(CARD, {}, machine.files), NotOfFamily);
});

const silent = (): never => {
  throw new SystemError({ errno: 1, syscall: "socket" });
};

test("a card's traffic is found by its interfaces; if it cannot be determined, that is reported", () => {
  using host = new FakeNetwork();
  host.link("eth0");
  host.route("0.0.0.0/0", ["eth0"]);
  const network = { ...host.network, [Symbol.dispose]: () => {} };
  const traffic = (card: FakeFunction): readonly string[] => {
    using machine = machineWith(card);
    return trafficOf(cardAt(machine.files, CARD), machine.files, () => network);
  };
  assert.deepEqual(traffic({ driver: "r8169", interfaces: ["eth0"] }), ["the default route (IPv4, eth0)"]);
  assert.deepEqual(traffic({ driver: VFIO_PCI }), []);
  assert.deepEqual(traffic({ driver: "uio_pci_generic" }), []);
  using moved = machineWith({ driver: "r8169" });
  mkdirSync(join(moved.files.device(CARD), "net"));
  assert.match(trafficOf(cardAt(moved.files, CARD), moved.files, () => network).join(), /another network namespace/);
  using refused = machineWith({ driver: "r8169", interfaces: ["eth0"] });
  assert.deepEqual(trafficOf(cardAt(refused.files, CARD), refused.files, silent), [
    "perhaps the default route: the kernel does not report it [EPERM]",
  ]);
});

test("prepared TAPs are those that belong to the user", () => {
  using machine = new FakeMachine();
  for (const [name, owner] of [
    ["fe0", "1000"],
    ["fe1", "1001"],
    ["fe2", "-1"],
  ])
    machine.write(join(machine.files.sys, "class/net", name!, "owner"), `${owner}\n`);
  machine.write(join(machine.files.sys, "class/net/eth0/mtu"), "1500\n");
  assert.deepEqual(preparedTaps(machine.files, 1000), ["fe0"]);
});

test("a persistent TAP is distinguished from one that ends with its process", () => {
  using machine = new FakeMachine();
  // The flags as the kernel shows them: TAP, no packet information, virtio header; the first TAP is persistent.
  for (const [name, flags] of Object.entries({ fe0: "0x5802", fe1: "0x5002" }))
    machine.write(join(machine.files.sys, "class/net", name, "tun_flags"), `${flags}\n`);
  assert.deepEqual(
    ["fe0", "fe1", "eth0"].map((name) => isPrepared(machine.files, name)),
    [true, false, false],
  );
});
