import assert from "node:assert/strict";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as fc from "fast-check";
import { parseAddress } from "./address.ts";
import { hasPci, listCards, readCard } from "./card.ts";
import { holdersOf } from "./holders.ts";
import { judgeCard } from "./judge.ts";
import { type FakeFunction, FakeMachine, MACHINE } from "./machine.test-kit.ts";
import { readMachine } from "./machine.ts";

const CARD = "0000:03:00.0";

/** Configuration space with the I/O window enabled, and TxConfig of an RTL8168H in that window. */
const CONFIG = Uint8Array.of(0xec, 0x10, 0x68, 0x81, 0x07, 0x00, 0x10, 0x00);
const WINDOW = new Uint8Array(256);
new DataView(WINDOW.buffer).setUint32(0x40, 0x5410_0f00, true);
const ASKABLE = {
  config: CONFIG,
  resource0: WINDOW,
  resource: "0x000000000000e000 0x000000000000e0ff 0x0000000000040101\n0x0 0x0 0x0",
  power_state: "D0",
} as const;

const cardWith = (files: FakeFunction["files"], more: FakeFunction = {}) => {
  using machine = new FakeMachine();
  machine.plug(CARD, { ...more, files: { ...files } });
  return readCard(machine.files, CARD)!;
};

test("addresses are accepted with and without domain, in either case", () => {
  assert.equal(parseAddress("03:00.0"), CARD);
  assert.equal(parseAddress("0000:0A:1f.7"), "0000:0a:1f.7");
  assert.equal(parseAddress("10000:e1:00.0"), "10000:e1:00.0");
  for (const text of ["", "3:0.0", "00:20.0", "00:00.8", "../03:00.0", "03:00.0 ", "0000:03:00.0/..", "000:03:00.0"])
    assert.equal(parseAddress(text), undefined, text);
});

test("a card is described by everything that the kernel shows", () => {
  using machine = new FakeMachine();
  const { sys } = machine.files;
  machine.plug(CARD, {
    driver: "r8169",
    interfaces: ["eth0", "eth1"],
    files: {
      ...ASKABLE,
      subsystem_vendor: "0x1462",
      subsystem_device: "0x7b98",
      numa_node: "1",
      current_link_speed: "2.5 GT/s PCIe",
      current_link_width: "1",
      reset_method: "flr bus",
    },
  });
  machine.plug("0000:03:00.1", { vendor: "0x8086", device: "0x1234", driver: "ahci" });
  machine.write(join(sys, "class/net/eth0/carrier"), "1\n");
  machine.write(join(sys, "class/net/eth0/speed"), "1000\n");
  machine.write(join(sys, "class/net/eth1/carrier"), "0\n");
  machine.write(join(sys, "class/net/eth1/speed"), "-1\n");
  const [card, ...others] = listCards(machine.files);
  assert.deepEqual(others, []);
  assert.deepEqual(card, {
    address: CARD,
    vendor: 0x10ec,
    device: 0x8168,
    subsystemVendor: 0x1462,
    subsystemDevice: 0x7b98,
    revision: 0x15,
    class: 0x020000,
    driver: "r8169",
    override: undefined,
    group: {
      number: "7",
      unsafe: false,
      others: [
        {
          address: "0000:03:00.1",
          vendor: 0x8086,
          device: 0x1234,
          subsystemVendor: 0x10ec,
          subsystemDevice: 0,
          revision: 0x15,
          class: 0x020000,
          driver: "ahci",
        },
      ],
    },
    numaNode: 1,
    pcie: { speed: "2.5 GT/s", width: 1 },
    power: "D0",
    resets: ["flr", "bus"],
    interfaces: [
      { name: "eth0", carrier: true, speed: 1000 },
      { name: "eth1", carrier: false, speed: undefined },
    ],
    chip: { name: "RTL8168h/8111h", xid: 0x541 },
  });
});

test("the chip is read only if that is safe and possible, otherwise the reason is reported", () => {
  const because = (files: FakeFunction["files"], more?: FakeFunction): string | undefined => {
    const { chip } = cardWith({ ...ASKABLE, ...files }, more);
    return chip.name === undefined ? chip.because : undefined;
  };
  assert.equal(because({}), undefined);
  assert.match(because({ power_state: "D3hot" }) ?? "", /asleep \(D3hot\)/);
  assert.match(because({ "power/runtime_status": "suspended" }) ?? "", /asleep/);
  assert.match(because({ resource: "0x1 0x2 0x40200" }) ?? "", /no I\/O window/);
  for (const resource of ["", "0x0 0xff 0x40101", "0xe000 0xe0ff 0x20040101", "0xe000 0xe01f 0x40101", "nan nan nan"])
    assert.match(because({ resource }) ?? "", /no I\/O window/, resource);
  assert.match(because({ config: CONFIG.with(4, 0x06) }) ?? "", /disabled until a driver is bound/);
  assert.match(because({ config: "" }) ?? "", /configuration space/);
  assert.match(because({ resource0: new Uint8Array(256).fill(0xff) }) ?? "", /does not respond/);
  assert.match(because({ resource0: "" }) ?? "", /only root/);
  assert.match(because({ resource0: new Uint8Array(256).fill(0x70) }) ?? "", /no chip with XID/);
  assert.deepEqual(cardWith({}, { device: "0x8139", revision: "0x20" }).chip, { name: "RTL8139C+", xid: undefined });
});

test("a machine without cards, or without a PCI bus, has an empty list of cards", () => {
  using machine = new FakeMachine();
  assert.deepEqual(listCards(machine.files), []);
  assert.equal(hasPci(machine.files), true);
  rmSync(machine.files.sys, { recursive: true });
  assert.deepEqual(listCards(machine.files), []);
  assert.equal(hasPci(machine.files), false);
});

test("cards are read and checked without an exception, whatever the files contain and if files are missing", () => {
  const names = [
    "vendor",
    "device",
    "revision",
    "class",
    "numa_node",
    "current_link_speed",
    "current_link_width",
    "power_state",
    "reset_method",
    "resource",
    "resource0",
    "config",
    "driver_override",
    "subsystem_vendor",
  ];
  const content = fc.oneof(
    fc.constantFrom("", "-1", "0x", "0x10ec", "0x8168", "(null)", "nan", "4294967295", "Unknown speed", "unknown"),
    fc.string(),
    fc.uint8Array({ maxLength: 80 }),
  );
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), content), (files) => {
      using machine = new FakeMachine();
      machine.plug(CARD, { files });
      const card = readCard(machine.files, CARD);
      if (card !== undefined) judgeCard({ card, machine: MACHINE, groupFile: "absent", holders: [] });
      listCards(machine.files);
    }),
    { numRuns: 60 },
  );
});

test("folders in place of files, and dangling links, count as missing", () => {
  using machine = new FakeMachine();
  const folder = machine.files.device(CARD);
  machine.plug(CARD, { group: -1 });
  for (const name of ["power_state", "config", "numa_node"]) mkdirSync(join(folder, name));
  machine.link(join(folder, "iommu_group"), "../../nowhere/../..");
  machine.link(join(folder, "driver"), "/nowhere/r8169");
  const card = readCard(machine.files, CARD);
  assert.equal(card?.group, undefined);
  assert.equal(card?.driver, "r8169");
});

test("processes that have the card open are found by descriptor, with a shortened and printable command line", () => {
  using machine = new FakeMachine();
  const { proc } = machine.files;
  machine.plug(CARD);
  machine.link(join(proc, "30/fd/5"), "/dev/vfio/7");
  machine.write(join(proc, "30/cmdline"), `evil\0\u{1b}[2J${"x".repeat(200)}\0`);
  machine.link(join(proc, "4/fd/0"), "/dev/vfio/noiommu-7");
  machine.write(join(proc, "4/comm"), "qemu\n");
  machine.link(join(proc, "5/fd/0"), "/dev/vfio/77");
  mkdirSync(join(proc, "net"));
  const holders = holdersOf(machine.files, CARD);
  assert.deepEqual(
    holders.map(({ pid }) => pid),
    [4, 30],
  );
  assert.equal(holders[0]!.command, "qemu");
  assert.match(holders[1]!.command, /^evil \?\[2Jx+…$/);
  assert.equal(holders[1]!.command.length, 60);
});

/** The command that is recommended to end a process with this command line. */
const end = (...words: string[]): string | undefined => {
  using machine = new FakeMachine();
  machine.plug(CARD);
  machine.link(join(machine.files.proc, "30/fd/5"), "/dev/vfio/7");
  machine.write(join(machine.files.proc, "30/cmdline"), [...words, ""].join("\0"));
  return holdersOf(machine.files, CARD)[0]?.end;
};

test("the recommended command ends a `ferrule up` by its interface's name, and other programs by a signal", () => {
  assert.equal(end("node", "/usr/bin/ferrule", "up", "03:00.0"), "npx ferrule down fe0");
  assert.equal(end("node", "bin/ferrule.mjs", "up", "03:00.0", "--name", "fe1"), "npx ferrule down fe1");
  assert.equal(end("node", "src/app/cli/entry.ts", "up", "--name=fe2", "03:00.0"), "npx ferrule down fe2");
  assert.equal(end("node", "/usr/bin/ferrule", "up", "03:00.0", "--name", "; rm -r /"), "kill 30");
  assert.equal(end("node", "/usr/bin/ferrule", "up", "03:00.0", "--name"), "kill 30");
  assert.equal(end("ip", "link", "set", "up"), "kill 30");
  assert.equal(end(), "kill 30");
});

test("root's processes are ended with sudo", () => {
  using machine = new FakeMachine();
  machine.plug(CARD);
  machine.link(join(machine.files.proc, "30/fd/5"), "/dev/vfio/7");
  machine.write(join(machine.files.proc, "30/cmdline"), "node\0/usr/bin/ferrule\0up\0");
  machine.write(join(machine.files.proc, "30/status"), "Name:\tnode\nUid:\t0\t0\t0\t0\n");
  assert.equal(holdersOf(machine.files, CARD)[0]?.end, "sudo npx ferrule down fe0");
});

test("the machine is described from /sys and /proc, even if their files are missing", () => {
  using machine = new FakeMachine();
  const { sys, proc } = machine.files;
  const empty = readMachine(machine.files, 0);
  assert.deepEqual([empty.processor, empty.guest, empty.iommus, empty.lockableBytes], ["other", false, [], 0]);
  machine.write(join(proc, "cpuinfo"), "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu hypervisor lm\n");
  machine.write(join(proc, "cmdline"), "quiet root=UUID=1 intel_iommu=on,sm_on iommu=pt iommufd=1 vfio_pci.ids=1:2\n");
  machine.write(
    join(proc, "self/limits"),
    "Max locked memory         8388608              8388608              bytes\n",
  );
  machine.write(join(sys, "firmware/acpi/tables/DMAR"), "");
  machine.write(join(sys, "class/iommu/dmar0"), "");
  machine.write(join(sys, "module/vfio/parameters/enable_unsafe_noiommu_mode"), "Y\n");
  const full = readMachine(machine.files, 1000);
  assert.deepEqual(full, {
    processor: "intel",
    guest: true,
    iommus: ["dmar0"],
    groups: 0,
    firmwareTable: "DMAR",
    iommuWords: ["intel_iommu=on,sm_on", "iommu=pt", "vfio_pci.ids=1:2"],
    vfioPci: false,
    unsafeNoIommu: true,
    user: 1000,
    lockableBytes: 8_388_608,
    boot: undefined,
    firmwareSetup: false,
  });
  machine.write(join(proc, "self/status"), "CapEff:\t000001ffffffffff\n");
  assert.equal(readMachine(machine.files, 0).lockableBytes, Number.POSITIVE_INFINITY);
});
