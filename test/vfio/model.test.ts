/**
 * The model's RTL8168H as a card in a guest: our driver reaches it through the guest's kernel, VFIO and an IOMMU, with
 * each kind of interrupt. The driver and the device are ours; everything between them is the kernel's and QEMU's.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { answered } from "../conformance-guest/echoes.ts";
import { Nic } from "../guest/nic.ts";
import { scratchFolder } from "../guest/scratch.ts";
import { noVfio } from "./available.ts";
import { assertNoOffence } from "./no-offence.ts";
import { Machine } from "./machine.ts";

const CARD = "0000:00:06.0";
const INTERFACE = "fe0";
/** The responder's address, and one in the same network for the guest. */
const FAR = "10.70.0.2";
const NEAR = "10.70.0.1/24";
const PREPARED = "cp /etc/passwd.rig /etc/passwd; modprobe -a tun r8169 vfio-pci af_packet";
/** Names of the vectors in /proc/interrupts. */
const KINDS = { msix: "vfio-msix[0]", msi: "vfio-msi[0]", intx: "vfio-intx" } as const;

for (const [kind, vector] of Object.entries(KINDS))
  describe(`an RTL8168H with interrupts up to ${kind}, behind an IOMMU`, { skip: noVfio() }, () => {
    const scope = new AsyncDisposableStack();
    let nic: Nic;
    let machine: Machine;

    before(async () => {
      const folder = scratchFolder();
      scope.defer(() => rmSync(folder, { recursive: true, force: true }));
      const options = { chip: "rtl8168h", socket: join(folder, "nic"), wire: "responder" };
      nic = scope.use(await Nic.serve(undefined, { ...options, more: ["--interrupts", kind] }));
      const devices = nic.device({ bus: "pcie.0", addr: CARD.slice(-4, -2) });
      machine = scope.use(await Machine.boot({ devices, prepared: PREPARED }));
    });
    after(() => scope.disposeAsync());

    const works = async (name: string): Promise<void> => {
      await machine.guest.mustRun(`ip link set ${name} up; ip addr add ${NEAR} dev ${name}`);
      await machine.guest.mustRun(`until [ "$(cat /sys/class/net/${name}/carrier)" = 1 ]; do sleep 0.05; done`);
      await answered(machine.guest, `-c 50 ${FAR}`);
      await machine.guest.mustRun(`ip addr flush dev ${name}`);
    };

    test("is asleep (D3) while bound to vfio-pci, and `list` shows it", async () => {
      assert.match(await machine.mustRun("list"), new RegExp(`^${CARD}\\s+RTL8168h/8111h\\s+r8169`, "m"));
      await machine.mustRun(`bind ${CARD}`);
      assert.match(await machine.mustRun("list"), /the card is asleep \(D3hot\)[^]*D3hot/);
      assert.equal((await nic.state()).powerState, 3);
    });

    test("is woken by `up`, gets a carrier, and replies", async (t) => {
      const { linkMillis } = await machine.up(CARD, INTERFACE);
      assert.equal((await nic.state()).powerState, 0);
      assert.ok((await machine.guest.mustRun("grep vfio /proc/interrupts")).includes(vector));
      await works(INTERFACE);
      await assertNoOffence(nic);
      t.diagnostic(`carrier ${linkMillis} ms after "up"`);
    });

    test("returns to the kernel's driver, which works as before", async () => {
      await machine.mustRun(`down ${INTERFACE}`);
      await machine.mustRun(`unbind ${CARD}`);
      assert.equal(await machine.driverOf(CARD), "r8169");
      await works(await machine.interfaceOf(CARD));
    });
  });
