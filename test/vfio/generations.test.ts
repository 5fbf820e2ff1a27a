/**
 * A chip of each generation as a card in one guest: the driver reaches each card through the guest's kernel, VFIO and
 * an IOMMU, with the kind of interrupts that works on the chip. Each cable ends in a user network of QEMU.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { chipNamed } from "#chip/chips.ts";
import { interruptKinds } from "#chip/pci-function.ts";
import { Nic } from "../guest/nic.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { GENERATIONS } from "../rigs/generations.ts";
import { noVfio } from "./available.ts";
import { median } from "./figures.ts";
import { assertNoOffence } from "./no-offence.ts";
import { Machine, userNetwork } from "./machine.ts";

const INTERFACE = "fe0";
const FIRST_SLOT = 5;
const PREPARED = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun r8169 vfio-pci af_packet";
/**
 * More interrupts than 50 pings and a download need. If an INTx line stays asserted without a cause, the processor is
 * interrupted 10,000 times before QEMU's IOAPIC pauses.
 */
const STORM = 10_000;
/** Names of the vectors in /proc/interrupts. */
const VECTORS = { msix: "vfio-msix[0]", msi: "vfio-msi[0]", intx: "vfio-intx" } as const;

const slotOf = (i: number): string => (FIRST_SLOT + i).toString(16).padStart(2, "0");

describe("chips of nine generations behind an IOMMU", { skip: noVfio() }, () => {
  const scope = new AsyncDisposableStack();
  const nics = new Map<string, Nic>();
  let machine: Machine;

  before(async () => {
    const folder = scratchFolder();
    scope.defer(() => rmSync(folder, { recursive: true, force: true }));
    const devices = await Promise.all(
      GENERATIONS.map(async (chip, i) => {
        const wire = join(folder, `${chip}.wire`);
        const nic = await Nic.serve(undefined, { chip, socket: join(folder, chip), wire: `unix:${wire},listen` });
        nics.set(chip, scope.use(nic));
        return [...userNetwork(i, wire), ...nic.device({ id: chip, bus: "pcie.0", addr: slotOf(i) })];
      }),
    );
    machine = scope.use(await Machine.boot({ devices: devices.flat(), prepared: PREPARED }));
  });
  after(() => scope.disposeAsync());

  for (const [i, key] of GENERATIONS.entries())
    test(`${key}: bound, an address by DHCP, pings, a download with the right digest, unbound`, async (t) => {
      const card = `0000:00:${slotOf(i)}.0`;
      const chip = chipNamed(key)!;
      const nic = nics.get(key)!;
      const before = await machine.driverOf(card);
      await machine.mustRun(`bind ${card}`);
      const { linkMillis } = await machine.up(card, INTERFACE);
      const kind = chip.interrupts === "intx" ? "intx" : interruptKinds(chip.profile.function).at(-1)!;
      assert.ok((await machine.guest.mustRun("grep vfio /proc/interrupts")).includes(VECTORS[kind]), kind);
      const { pings, megabits } = await machine.works(INTERFACE);
      const interrupts = await machine.guest.mustRun("awk '/vfio/ { sum += $2 } END { print sum }' /proc/interrupts");
      assert.ok(Number(interrupts) < STORM, `${interrupts.trim()} interrupts`);
      const speed = (await machine.guest.mustRun(`cat /sys/class/net/${INTERFACE}/speed`)).trim();
      await machine.mustRun(`down ${INTERFACE}`);
      await machine.mustRun(`unbind ${card}`);
      assert.equal(await machine.driverOf(card), before);
      await assertNoOffence(nic);
      t.diagnostic(
        `${kind}, ${speed} Mbit/s; carrier ${linkMillis} ms after "up"; ` +
          `ping ${median(pings).toFixed(2)} ms, download ${megabits.toFixed(0)} Mbit/s`,
      );
    });

  test("the IOMMU blocked no memory access, and the kernel logs no warning", async () => {
    const log = (await machine.guest.dmesg()).join("\n");
    assert.doesNotMatch(log, /DMAR:.*fault|WARNING|BUG:|Oops|hung/, log);
  });
});
