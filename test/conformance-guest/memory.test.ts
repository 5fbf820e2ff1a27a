/**
 * Tests DMA to all of the guest's memory, first with most of the memory above 4 GiB, where an address takes two words,
 * and then behind an IOMMU, where every page of every buffer is mapped separately, and only while the NIC owns it.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Chip } from "#chip/chips.ts";
import { processorOf } from "../guest/parts.ts";
import type { ProcessorName } from "../guest/processors.ts";
import { FAR, NEAR } from "../guest/rig.ts";
import { answered } from "./echoes.ts";
import { type Bench, type BenchOptions, type Cell, onEachChip } from "./grid.ts";
import { stream } from "./streams.ts";
import { checkFrame } from "./wire-check.ts";

const GIB4 = 2n ** 32n;
const MEGABYTES = 6144;
/** Offsets of the registers with the ring addresses. */
const TRANSMIT = 0x20;
const RECEIVE = 0xe4;
/** Payload lengths: up to that of the longest echo in one frame (1472), and one that needs several fragments (8000). */
const LENGTHS = [0, 17, 56, 1000, 1472, 8000];
const BYTES = "4M";

const traffic = (bench: () => Bench): void => {
  test("echoes of every length are answered", async () => {
    for (const size of LENGTHS) await answered(bench().rig.guest, `-c 5 -s ${size} ${FAR.ipv4}`);
  });

  for (const offloads of ["off", "on"])
    test(`streams pass both ways, with scatter, checksums and segmentation ${offloads}`, async () => {
      const { rig } = bench();
      await rig.guest.run(`ethtool -K ${NEAR.name} tx ${offloads} sg ${offloads} tso ${offloads}`);
      for (const way of ["", "-R"]) await stream(rig, `-n ${BYTES} ${way}`);
    });

  test("the longest frames pass both ways, also after the rings were replaced", async (t) => {
    const { cell, rig } = bench();
    const { largestMtu } = cell.chip;
    if (largestMtu <= 1500) return t.skip("this chip has no jumbo frames");
    const mtu = Math.min(largestMtu, 9000);
    await rig.far.mustRun(`ip link set ${FAR.name} mtu ${mtu}`);
    await rig.guest.mustRun(`ip link set ${NEAR.name} mtu ${mtu}`);
    await rig.carrier(true);
    await answered(rig.guest, `-M do -c 10 -s ${mtu - 28} ${FAR.ipv4}`);
    await rig.guest.mustRun(`ip link set ${NEAR.name} mtu 1500`);
    await rig.carrier(true);
    await answered(rig.guest, `-c 10 ${FAR.ipv4}`);
  });

  test("every frame on the wire is correct, and none was missed", async () => {
    const { rig } = bench();
    assert.deepEqual(
      (await rig.frames()).map(checkFrame).flatMap(({ faults }) => faults),
      [],
    );
    const { counters } = await rig.nic.state();
    assert.equal(counters.rxMissed, 0);
  });
};

const OPTIONS: BenchOptions = { far: "inside", capture: true };

/** For chips that are older than the RTL8168C, Linux uses no memory above 4 GiB. */
const reachesAll = (chip: Chip): boolean => chip.bus === "pcie" && !["8168b", "8101", "8401"].includes(chip.die);

// With `MEGABYTES` of memory SeaBIOS places devices' registers where a 32-bit kernel reads only zeros, so that even
// QEMU's own devices fail.
const roomy = ({ kernel }: Cell): boolean => processorOf(kernel) !== "i386";

onEachChip("memory above 4 GiB", { ...OPTIONS, megabytes: MEGABYTES, only: roomy }, (bench) => {
  test("contains the rings of chips that can access it", async (t) => {
    const { rig, cell } = bench();
    const dump = await rig.guest.run(`ethtool -d ${NEAR.name} raw on`);
    assert.equal(dump.exit, 0, dump.stderr);
    const [transmit, receive] = [TRANSMIT, RECEIVE].map((at) => dump.bytes.readBigUInt64LE(at));
    t.diagnostic(`0x${transmit!.toString(16)}, 0x${receive!.toString(16)}`);
    assert.equal(transmit! >= GIB4, reachesAll(cell.chip));
    assert.equal(receive! >= GIB4, reachesAll(cell.chip));
  });

  traffic(bench);
});

const behind = (iommu: string, options: BenchOptions): void =>
  onEachChip(`memory behind ${iommu}`, { ...OPTIONS, ...options }, (bench) => {
    test("translates the addresses that the driver writes to the NIC", async () => {
      const { guest } = bench().rig;
      assert.equal((await guest.mustRun(`cat /sys/class/net/${NEAR.name}/device/iommu_group/type`)).trim(), "DMA");
    });

    traffic(bench);
  });

const on =
  (processor: ProcessorName) =>
  ({ kernel }: Cell): boolean =>
    processorOf(kernel) === processor;

behind("VT-d", {
  properties: ["kernel-irqchip=split"],
  devices: ["-device", "intel-iommu,intremap=on,caching-mode=on"],
  append: ["intel_iommu=on", "iommu.strict=1"],
  only: on("amd64"),
});

// QEMU's SMMU does not support external devices.
behind("virtio's IOMMU", { devices: ["-device", "virtio-iommu-pci"], only: on("arm64") });
