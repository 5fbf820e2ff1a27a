import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualClock } from "#kit/clock.ts";
import { FerruleError, Revoked } from "#kit/errors.ts";
import { ro32, rw32 } from "#kit/mmio.ts";
import { Errno, SystemError } from "#sys/errno.ts";
import { IrqAction } from "#sys/vfio-structs.ts";
import { VfioDevice, type VfioOptions } from "./device.ts";
import { Irq } from "./interrupts.ts";
import { ADDRESS, FakeKernel, POWER_MANAGEMENT_AT } from "./kernel.test-kit.ts";
import { type PciFunction, Tree } from "./tree.test-kit.ts";

const CARD: PciFunction = { address: ADDRESS, driver: "vfio-pci", group: 12 };
const WAYS = {
  group: [CARD],
  iommufd: [{ ...CARD, node: 0 }],
} as const;

const openOn = (kernel: FakeKernel, roots: Tree, options: Partial<VfioOptions> = {}): VfioDevice =>
  VfioDevice.open({ address: ADDRESS, ...options }, { kernel, roots, clock: new VirtualClock() });

/** Asserts that a card modified by `change` cannot be opened and that all resources are released. Returns the error. */
const refusal = (
  change: (kernel: FakeKernel) => void,
  options: Partial<VfioOptions> = {},
  functions: readonly PciFunction[] = [CARD],
): FerruleError => {
  using roots = new Tree(functions);
  const kernel = new FakeKernel();
  change(kernel);
  try {
    openOn(kernel, roots, options);
  } catch (error) {
    assert.deepEqual([...kernel.live], []);
    assert.ok(error instanceof FerruleError, String(error));
    assert.notEqual(error.hint, "");
    return error;
  }
  return assert.fail("was opened");
};

for (const way of ["group", "iommufd"] as const) {
  test(`a card is opened through its ${way}, and everything is released in reverse order`, () => {
    using roots = new Tree(WAYS[way]);
    const kernel = new FakeKernel();
    const device = openOn(kernel, roots);
    assert.equal(device.how, way);
    assert.deepEqual(device.id, {
      vendor: 0x10ec,
      device: 0x8168,
      revision: 0x15,
      subsystemVendor: 0,
      subsystemDevice: 0,
    });
    assert.equal(device.registers.read32(ro32(0x40)), 0);
    assert.deepEqual(kernel.mapped, [{ iova: device.dma.iova, bytes: 20 << 20 }]);
    const line = device.interrupts.request(0);
    device.setBusMaster(true);
    line[Symbol.dispose]();
    kernel.calls.length = 0;
    device[Symbol.dispose]();
    assert.deepEqual([...kernel.live], []);
    // Bus mastering is disabled first; memory is unmapped before it is freed; files are closed last.
    const order = ["command 2", "unmap", "close DMA memory", "irqs 2", "close registers", "close"];
    let at = -1;
    for (const step of order) {
      const next = kernel.calls.findIndex((call, i) => i > at && call.startsWith(step));
      assert.ok(next > at, `${step} after ${kernel.calls[at]}: ${kernel.calls.join(", ")}`);
      at = next;
    }
    assert.throws(() => device.registers.read32(ro32(0x40)), Revoked);
    device[Symbol.dispose]();
  });

  test(`nothing leaks, whichever kernel call fails while a card is opened through its ${way}`, () => {
    using roots = new Tree(WAYS[way]);
    const whole = new FakeKernel();
    whole.resettable = false;
    openOn(whole, roots);
    let refused = 0;
    for (const [failAt, call] of whole.calls.entries())
      for (const failWith of [Errno.EIO, Errno.EBUSY, Errno.EPERM, Errno.ENODEV, Errno.ENOMEM]) {
        const kernel = new FakeKernel();
        Object.assign(kernel, { failAt, failWith, resettable: false });
        try {
          openOn(kernel, roots)[Symbol.dispose]();
        } catch (error) {
          refused++;
          assert.ok(error instanceof FerruleError, `${call}: ${String(error)}`);
        }
        assert.deepEqual([...kernel.live], [], `${call} fails with ${failWith}`);
      }
    assert.ok(refused > 50);
  });

  test(`errors on release do not prevent a ${way} from being closed`, () => {
    using roots = new Tree(WAYS[way]);
    const kernel = new FakeKernel();
    const device = openOn(kernel, roots);
    const line = device.interrupts.request(0);
    kernel.pulled = true;
    const { length } = kernel.calls;
    for (let failAt = length; failAt < length + 12; failAt++) {
      kernel.failAt = failAt;
      line[Symbol.dispose]();
    }
    kernel.failOn = "unmap";
    device[Symbol.dispose]();
    assert.deepEqual([...kernel.live], []);
  });
}

test("if this user may not open the device's own file, the group's file is used", () => {
  using roots = new Tree(WAYS.iommufd);
  const kernel = new FakeKernel();
  Object.assign(kernel, { failOn: `open ${roots.dev}/vfio/devices`, failWith: Errno.EACCES });
  using device = openOn(kernel, roots);
  assert.equal(device.how, "group");
});

const code = (change: (kernel: FakeKernel) => void, options?: Partial<VfioOptions>): string =>
  refusal(change, options).code;
const failing = (failOn: string, failWith: number) => (kernel: FakeKernel) =>
  Object.assign(kernel, { failOn, failWith });

test("a card is rejected with the reason and advice", () => {
  assert.equal(
    code((kernel) => (kernel.viable = false)),
    "GROUP_NOT_VIABLE",
  );
  assert.equal(
    code((kernel) => (kernel.version = 1)),
    "UNKNOWN_VFIO",
  );
  assert.equal(
    code((kernel) => (kernel.pulled = true)),
    "DEVICE_GONE",
  );
  assert.equal(code(failing("open", Errno.ENOENT)), "NO_VFIO_FILE");
  assert.equal(code(failing("open", Errno.EACCES)), "NOT_PERMITTED");
  assert.equal(code(failing("open", Errno.EBUSY)), "IN_USE");
  assert.equal(code(failing("choose", Errno.EPERM)), "NO_INTERRUPT_REMAPPING");
  assert.equal(code(failing("map", Errno.EINVAL)), "MAP_REFUSED");
  assert.equal(
    code((kernel) => (kernel.iommu = { pageBytes: 4096, ranges: [{ start: 0, last: 0xffff }] })),
    "NO_ADDRESSES",
  );
  assert.equal(
    code((kernel) => (kernel.bar = { ...kernel.bar, bytes: 128 })),
    "BAR_TOO_SMALL",
  );
  assert.equal(
    code((kernel) => (kernel.bar = { ...kernel.bar, bytes: 0 })),
    "NO_REGISTERS",
  );
  assert.equal(
    code((kernel) => (kernel.irqs = []), {}),
    "UNKNOWN_VFIO",
  );
});

test("the error for a group that is not viable names the other functions and their drivers", () => {
  const others: PciFunction[] = [
    { address: "0000:03:00.1", driver: "ehci-pci", group: 12 },
    { address: "0000:03:00.2", group: 12 },
    { address: "0000:00:1c.0", driver: "pcieport", group: 12 },
  ];
  const error = refusal((kernel) => (kernel.viable = false), {}, [CARD, ...others]);
  assert.match(error.message, /group 12 .*: 0000:03:00\.1 \(ehci-pci\)$/);
  assert.match(error.hint, /`ferrule bind 0000:03:00\.1`/);
  const claimed = refusal((kernel) => Object.assign(kernel, { failOn: "bind", failWith: Errno.EBUSY }), {}, [
    { ...CARD, node: 0 },
    ...others,
  ]);
  assert.equal(claimed.code, "GROUP_NOT_VIABLE");
});

test("a sleeping card is woken, and one that stays asleep is rejected", () => {
  using roots = new Tree([CARD]);
  const kernel = new FakeKernel();
  // The card is in D3hot, with PME_Status and PME_En set.
  kernel.config.set([0x03, 0x81], POWER_MANAGEMENT_AT + 4);
  using device = openOn(kernel, roots);
  assert.deepEqual([...kernel.config.subarray(POWER_MANAGEMENT_AT + 4, POWER_MANAGEMENT_AT + 6)], [0, 0x01]);
  assert.equal(device.name, ADDRESS);
  const error = refusal((asleep) => {
    asleep.stuckAsleep = true;
    asleep.config[POWER_MANAGEMENT_AT + 4] = 3;
  });
  assert.equal(error.code, "ASLEEP");
  assert.match(error.message, /D3/);
});

test("memory space is on and bus mastering off before a register is mapped", () => {
  using roots = new Tree([CARD]);
  const kernel = new FakeKernel();
  // Another driver left bus mastering on.
  kernel.config[4] = 0x07;
  using device = openOn(kernel, roots);
  assert.ok(kernel.calls.indexOf("command 3") < kernel.calls.indexOf("mmap 4096"));
  device.setBusMaster(true);
  assert.equal(kernel.config[4], 0x07);
});

test("a reset of the bus clears the interrupts: they are enabled again with memory space, also if the kernel refuses at first", () => {
  using roots = new Tree([CARD]);
  const kernel = new FakeKernel();
  using device = openOn(kernel, roots);
  using line = device.interrupts.request(1);
  device.setBusMaster(true);
  const before = kernel.sets.length;
  kernel.config[4] = 0;
  kernel.failOn = "irqs";
  assert.throws(() => device.setBusMaster(false), SystemError);
  kernel.failOn = "";
  device.setBusMaster(false);
  const set = { index: Irq.msix, start: 0 };
  assert.deepEqual(kernel.sets.slice(before), [
    { ...set, count: 0, action: IrqAction.off, fds: [] },
    { ...set, count: 2, action: IrqAction.signal, fds: [-1, line.fd] },
  ]);
  line.unmask();
  assert.equal(line.take(), true);
  device.setBusMaster(true);
  assert.equal(kernel.sets.length, before + 2);
});

test("DMA memory has the size that the limit on locked memory allows, unless a size was requested", () => {
  using roots = new Tree([CARD]);
  const kernel = new FakeKernel();
  kernel.limit = (8 << 20) + 4096;
  using device = openOn(kernel, roots);
  assert.equal(device.dma.window.bytes.length, 8 << 20);
  const error = refusal((small) => (small.limit = 4 << 20));
  assert.equal(error.code, "MEMLOCK_TOO_LOW");
  assert.match(error.message, /6 MiB .* 4096 KiB/);
  assert.match(error.hint, /prlimit --pid \$\$ --memlock=6291456/);
  assert.equal(refusal((small) => (small.limit = 8 << 20), { dmaBytes: 16 << 20 }).code, "MEMLOCK_TOO_LOW");
});

const openWith = (hotReset: FakeKernel["hotReset"], functions: readonly PciFunction[] = [CARD]): FakeKernel => {
  using roots = new Tree(functions);
  const kernel = new FakeKernel();
  Object.assign(kernel, { resettable: false, hotReset });
  openOn(kernel, roots)[Symbol.dispose]();
  return kernel;
};

test("a function that cannot be reset alone is reset with its bus, if all functions of the bus are ours", () => {
  const ours = { address: ADDRESS, owner: 12 };
  const stranger = { address: "0000:03:00.1", owner: 13 };
  const byGroup = { byIdentity: false, allOurs: false };
  assert.ok(openWith({ ...byGroup, affected: [ours] }).calls.includes("hot reset by 1"));
  assert.ok(!openWith({ ...byGroup, affected: [ours, stranger] }).calls.includes("hot reset by 1"));
  assert.ok(!openWith({ ...byGroup, affected: [] }).calls.includes("hot reset by 1"));
  const byIdentity = { byIdentity: true, affected: [{ address: ADDRESS, owner: 1 }] };
  assert.ok(openWith({ ...byIdentity, allOurs: true }, WAYS.iommufd).calls.includes("hot reset by 0"));
  assert.ok(!openWith({ ...byIdentity, allOurs: false }, WAYS.iommufd).calls.includes("hot reset by 0"));
});

test("a card reports why it must be released: on request, after a bus error, or because it was removed", () => {
  using roots = new Tree([CARD]);
  const kernel = new FakeKernel();
  using device = openOn(kernel, roots);
  assert.equal(device.whyLost(), undefined);
  const raise = (fd: number): void => void (kernel.events.find(({ number }) => number === fd)!.raised = true);
  raise(device.lostFd);
  assert.equal(device.whyLost()?.code, "REMOVAL_REQUESTED");
  raise(device.busErrorFd);
  assert.equal(device.whyLost()?.code, "BUS_ERROR");
  kernel.pulled = true;
  assert.equal(device.whyLost()?.code, "DEVICE_GONE");
});

test("without an IOMMU a card is used only on request, with a warning, and with contiguous memory", () => {
  using roots = new Tree([CARD], { withoutIommu: true });
  const kernel = new FakeKernel();
  kernel.pages = [0x4020_0000, 0x4000_0000, 0x4040_0000, 0x9000_0000];
  assert.throws(() => openOn(kernel, roots), { code: "NO_IOMMU" });
  {
    using device = openOn(kernel, roots, { unsafeNoIommu: true });
    assert.equal(device.how, "no-iommu");
    assert.match(device.warnings[0]!.message, /no IOMMU/);
    assert.equal(device.dma.iova, 0x4000_0000);
    assert.equal(device.dma.window.bytes.length, 6 << 20);
    assert.ok(kernel.calls.includes("gather 1 0 2"));
    assert.ok(kernel.calls.includes(`open ${roots.dev}/vfio/noiommu-12`));
  }
  assert.deepEqual([...kernel.live], []);
  kernel.pages = [0x4020_0000, 0x4000_0000, 0x5040_0000, 0x9000_0000];
  assert.throws(() => openOn(kernel, roots, { unsafeNoIommu: true }), { code: "NOT_CONTIGUOUS" });
  kernel.pages = [];
  assert.throws(() => openOn(kernel, roots, { unsafeNoIommu: true }), { code: "NOT_CONTIGUOUS" });
  assert.deepEqual([...kernel.live], []);
});

test("registers that cannot be mapped are read and written through the file", () => {
  using roots = new Tree([CARD]);
  const kernel = new FakeKernel();
  kernel.bar = { ...kernel.bar, mappable: [] };
  using device = openOn(kernel, roots);
  device.registers.write32(rw32(0x40), 0x8765_4321);
  assert.equal(new DataView(kernel.registers.buffer).getUint32(0x40, true), 0x8765_4321);
  assert.equal(device.registers.read32(rw32(0x40)), 0x8765_4321);
  kernel.pulled = true;
  assert.equal(device.registers.read32(rw32(0x40)), 0xffff_ffff);
});
