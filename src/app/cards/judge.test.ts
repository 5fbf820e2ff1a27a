import assert from "node:assert/strict";
import { test } from "node:test";
import type { Card } from "./card.ts";
import { judgeCard, type Missing, type CardState } from "./judge.ts";
import { MACHINE } from "./machine.test-kit.ts";
import { type Machine, VFIO_PCI } from "./machine.ts";

const CARD: Card = {
  address: "0000:03:00.0",
  vendor: 0x10ec,
  device: 0x8168,
  subsystemVendor: 0,
  subsystemDevice: 0,
  revision: 0x15,
  class: 0x020000,
  driver: VFIO_PCI,
  override: VFIO_PCI,
  group: { number: "7", unsafe: false, others: [] },
  numaNode: undefined,
  pcie: undefined,
  power: "D3hot",
  resets: [],
  interfaces: [],
  chip: { name: undefined, because: "asleep" },
};
const READY: CardState = { card: CARD, machine: MACHINE, groupFile: "open", holders: [] };

const missingOf = (card: Partial<Card>, rest: Partial<CardState> = {}): readonly Missing[] =>
  judgeCard({ ...READY, ...rest, card: { ...CARD, ...card } });
const words = (lacks: readonly Missing[]): string =>
  lacks.map(({ what, saw, fix }) => [what, saw, ...fix].join("|")).join("\n");

test("a card on vfio-pci, alone in its group, lacks nothing if its group file may be opened", () => {
  assert.deepEqual(judgeCard(READY), []);
});

test("if there is no IOMMU, the report says where it is switched off, and how to enable it", () => {
  const without = (machine: Partial<Machine>): string =>
    words(
      missingOf({ group: undefined }, { machine: { ...MACHINE, iommus: [], groups: 0, iommuWords: [], ...machine } }),
    );
  assert.match(without({}), /command line does not ask for it.*intel_iommu=on.*update-grub && .* && sudo reboot/);
  assert.match(
    without({ iommuWords: ["intel_iommu=off"] }),
    /switched off on the kernel's command line \(intel_iommu=off\)/,
  );
  assert.match(without({ iommuWords: ["iommu=off"], processor: "amd" }), /\(iommu=off\)/);
  assert.match(without({ iommuWords: ["intel_iommu=on"] }), /the kernel does not use it.*dmesg/);
  assert.match(without({ processor: "amd", firmwareTable: "IVRS" }), /the kernel does not use it.*dmesg/);
  assert.match(without({ boot: undefined }), /\|add intel_iommu=on to the kernel's command line/);
  assert.doesNotMatch(without({ iommuWords: ["vfio_x=off"] }), /switched off/);
  assert.match(without({ firmwareTable: undefined }), /firmware.*VT-d.*--firmware-setup/);
  assert.match(
    without({ firmwareTable: undefined, firmwareSetup: false }),
    /firmware.*VT-d.*enter the firmware's set-up$/,
  );
  assert.match(without({ firmwareTable: undefined, processor: "amd" }), /AMD-Vi/);
  assert.match(without({ firmwareTable: undefined, guest: true }), /hypervisor.*-device intel-iommu/);
  assert.match(words(missingOf({ group: undefined })), /this slot is not behind it/);
});

test("VFIO's no-IOMMU mode is reported, with the danger of using it", () => {
  assert.match(words(missingOf({ group: { number: "0", unsafe: true, others: [] } })), /could access all memory/);
});

test("devices whose kernel driver uses DMA make a group not viable, and for each there is a command that unbinds it", () => {
  const other = { ...CARD, address: "0000:03:00.1", vendor: 0x8086, class: 0x0c0330 };
  const group = (...others: Partial<Card>[]): string =>
    words(missingOf({ group: { number: "7", unsafe: false, others: others.map((each) => ({ ...other, ...each })) } }));
  for (const driver of [undefined, VFIO_PCI, "pci-stub", "pcieport", "mlx5-vfio-pci"])
    assert.equal(group({ driver }), "");
  assert.equal(group({ driver: "shpchp", class: 0x060400 }), "");
  const text = group({ driver: "xhci_hcd" }, { driver: "r8169", vendor: 0x10ec, address: "0000:03:00.2" });
  assert.match(text, /group 7 is not viable because of 0000:03:00.1 \(xhci_hcd\), 0000:03:00.2 \(r8169\)/);
  assert.match(
    text,
    /echo 0000:03:00.1 \| sudo tee \/sys\/bus\/pci\/drivers\/xhci_hcd\/unbind\|sudo npx ferrule bind 0000:03:00.2/,
  );
});

test("a card with another driver, or none, needs `ferrule bind`; a missing vfio-pci module is reported first", () => {
  assert.match(words(missingOf({ driver: "r8169" })), /^driver\|bound to r8169\|sudo npx ferrule bind 0000:03:00.0$/);
  const text = words(missingOf({ driver: undefined }, { machine: { ...MACHINE, vfioPci: false } }));
  assert.match(text, /^module\|.*modprobe vfio-pci\ndriver\|not bound to a driver/);
});

test("an ordinary user needs permission to open the group's file, and a sufficient limit of locked memory", () => {
  const machine = { ...MACHINE, user: 1000, lockableBytes: 8 * 2 ** 20 };
  const text = words(missingOf({}, { machine, groupFile: "closed" }));
  assert.match(text, /permission\|this user may not open \/dev\/vfio\/7\|sudo chown \$USER \/dev\/vfio\/7/);
  assert.match(text, /locked memory\|.*8 MiB, but 64 MiB are recommended\|sudo prlimit --pid \$\$ --memlock=67108864/);
  const little = { ...machine, lockableBytes: 64 * 2 ** 10 };
  assert.match(words(missingOf({}, { machine: little })), /may lock 64 KiB, but 64 MiB are recommended/);
  assert.match(words(missingOf({}, { groupFile: "absent" })), /there is no \/dev\/vfio\/7/);
  assert.equal(words(missingOf({ driver: "r8169" }, { groupFile: "absent" })).includes("permission"), false);
});

test("a process that has the card open is named, with the command that ends it", () => {
  const holders = [
    { pid: 7, command: "qemu-system-x86_64 -m 1G", end: "kill 7" },
    { pid: 9, command: "node ferrule.mjs up 03:00.0", end: "ferrule down fe1" },
  ];
  const text = words(missingOf({}, { holders }));
  assert.match(text, /process 7 \(qemu-system-x86_64 -m 1G\) has it open\|kill 7/);
  assert.match(text, /process 9 .*\|ferrule down fe1/);
});
