/**
 * Tests cards behind a bridge, which are all in one IOMMU group, cards whose registers share a page, and a card that is
 * removed from its slot.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { noVfio } from "./available.ts";
import { bridged, FIRST, PLUGGED, SECOND } from "./bridges.ts";
import { Machine } from "./machine.ts";

const INTERFACE = "fe0";
const PLUGGED_INTERFACE = "fe1";

describe("cards behind bridges", { skip: noVfio() }, () => {
  let machine: Machine;

  before(async () => {
    machine = await Machine.boot({ devices: bridged() });
  });
  after(() => machine?.[Symbol.asyncDispose]());

  /**
   * Makes the cards' registers share a page. The firmware has given each card a separate page. When the kernel assigns
   * addresses anew, it places the registers of the cards next to each other. VFIO then does not permit mapping them.
   */
  const shareAPage = async (addresses: readonly string[]): Promise<void> => {
    for (const address of addresses) {
      const device = `/sys/bus/pci/devices/${address}`;
      await machine.guest.mustRun(
        `echo ${address} >${device}/driver/unbind; setpci -s ${address} COMMAND=0 BASE_ADDRESS_1=0; echo 1 >${device}/remove`,
      );
    }
    await machine.guest.mustRun("echo 1 >/sys/bus/pci/rescan");
    for (const address of addresses) await machine.interfaceOf(address);
  };

  test("a card cannot be opened while another of its group is bound to a kernel driver: the error names the other card and the command to bind it", async () => {
    await shareAPage([FIRST, SECOND]);
    await machine.ferrule(`bind ${FIRST}`);
    const { exit, stderr } = await machine.ferrule(`up ${FIRST} --name ${INTERFACE}`);
    assert.equal(exit, 1);
    assert.match(stderr, new RegExp(`${SECOND}[^]*hint: .*${SECOND}`));
    assert.match(await machine.mustRun("list"), new RegExp(SECOND));
  });

  test("a card works once the other card of its group is bound too, although its registers cannot be mapped", async (t) => {
    for (const address of [FIRST, SECOND])
      if ((await machine.driverOf(address)) !== "vfio-pci") await machine.mustRun(`bind ${address}`);
    const up = await machine.up(FIRST, INTERFACE);
    const maps = await machine.guest.mustRun(`cat /proc/${up.pid}/maps`);
    assert.ok(
      !maps.includes("vfio-device"),
      "the registers can be mapped, so the case in which they cannot is not tested",
    );
    const { megabits } = await machine.works(INTERFACE);
    t.diagnostic(`download ${megabits.toFixed(0)} Mbit/s with every register access a system call`);
    await machine.mustRun(`down ${INTERFACE}`);
  });

  test("both cards return to the kernel's driver, and work", async () => {
    for (const address of [FIRST, SECOND]) {
      await machine.mustRun(`unbind ${address}`);
      assert.equal(await machine.driverOf(address), "8139cp");
      await machine.works(await machine.interfaceOf(address));
    }
  });

  test("a card that is removed during traffic is released: the program reports the removal and ends, and nothing leaks", async () => {
    await machine.mustRun(`bind ${PLUGGED}`);
    const up = await machine.up(PLUGGED, PLUGGED_INTERFACE);
    await machine.lease(PLUGGED_INTERFACE);
    await machine.guest.clearDmesg();
    {
      await using _traffic = await machine.flood(PLUGGED_INTERFACE);
      const deleted = machine.guest.qmp.event("DEVICE_DELETED");
      await machine.guest.qmp.execute("device_del", { id: "plugged" });
      await deleted;
      await machine.ended(up);
    }
    assert.match(await machine.output(PLUGGED_INTERFACE), /"event":"failed".*(takes .* back|removed|gone)/);
    assert.notEqual(
      (await machine.guest.run(`ip link show ${PLUGGED_INTERFACE}`)).exit,
      0,
      "the interface is still there",
    );
    const log = (await machine.guest.dmesg(4)).join("\n");
    assert.doesNotMatch(log, /WARNING|BUG|Oops|hung/);
  });

  test("a card that is inserted again is a new card: the kernel's driver binds to it, and after `bind` ours works", async () => {
    await machine.guest.qmp.execute("device_add", {
      driver: "rtl8139",
      id: "plugged",
      netdev: "net-plugged",
      bus: "root2",
      romfile: "",
    });
    await machine.works(await machine.interfaceOf(PLUGGED));
    await machine.mustRun(`bind ${PLUGGED}`);
    await machine.up(PLUGGED, PLUGGED_INTERFACE);
    await machine.works(PLUGGED_INTERFACE);
    await machine.mustRun(`down ${PLUGGED_INTERFACE}`);
  });
});
