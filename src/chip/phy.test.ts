/**
 * The PHY's registers: the expected values were typed in from IEEE 802.3 and, for Realtek's own registers, from C
 * drivers.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Advertise10G,
  CROSSOVER_8211,
  CROSSOVER_OCP,
  DOWNSHIFT_8211,
  DOWNSHIFT_OCP,
  Eee,
  Eee2,
  Estatus,
  EXTENSION_PAGE,
  EXTENSION_SELECT,
  FastRetrain,
  Gbcr,
  Gbsr,
  MEMORY_ADDRESS,
  MEMORY_DATA,
  MEMORY_PAGE,
  Mmd,
  MASTER_SHIFT_10G,
  MMD_CONTROL,
  MMD_DATA,
  MmdControl,
  NEGOTIATION_10G,
  Ocp,
  PARTNER_10G,
  Partner10G,
  PATCH_READY,
  PATCH_REQUEST,
  Physr,
  Physr8211,
  PhyState,
  PmaSpeed,
  SPEED_DOWN,
} from "./phy.ts";

test("the fields of ESTATUS, GBCR and GBSR and the registers for indirect access are as in 802.3, clauses 22 and 40", () => {
  assert.deepEqual({ ...Estatus }, { full1000: 0x2000, half1000: 0x1000 });
  assert.deepEqual(
    { ...Gbcr },
    { manualMaster: 0x1000, master: 0x0800, multiport: 0x0400, full1000: 0x0200, half1000: 0x0100 },
  );
  assert.equal(Gbsr.master, 0x4000);
  assert.deepEqual([MMD_CONTROL, MMD_DATA], [0x0d, 0x0e]);
  assert.deepEqual(
    [MmdControl.data, MmdControl.dataIncrementing, MmdControl.dataIncrementingOnWrite],
    [0x4000, 0x8000, 0xc000],
  );
});

test("the numbers and fields of clause 45 registers are as in 802.3, clauses 45 and 126", () => {
  assert.deepEqual({ ...Mmd }, { pma: 1, pcs: 3, negotiation: 7, vendor2: 31 });
  assert.deepEqual({ ...PmaSpeed }, { speed10000: 0x0001, speed2500: 0x2000, speed5000: 0x4000 });
  assert.deepEqual({ ...Advertise10G }, { full2500: 0x0080, full5000: 0x0100, full10000: 0x1000 });
  assert.deepEqual(
    { ...Partner10G },
    {
      full2500: 0x0020,
      full5000: 0x0040,
      full10000: 0x0800,
      remoteOk: 0x1000,
      localOk: 0x2000,
      master: 0x4000,
      masterFault: 0x8000,
    },
  );
  assert.deepEqual({ ...FastRetrain }, { full10000: 0x0002, full2500: 0x0020, full5000: 0x0040 });
  assert.equal(Gbcr.manualMaster << MASTER_SHIFT_10G, 0x8000);
  assert.deepEqual({ ...Eee, ...Eee2 }, { full100: 2, full1000: 4, full10000: 8, full2500: 1, full5000: 2 });
});

test("Realtek's own registers are as in DPDK r8169_phy.c, and the status register is as Linux's PHY driver decodes it", () => {
  assert.deepEqual(
    [Ocp.state, Ocp.memoryAddress, Ocp.memoryData, Ocp.memory2Address, Ocp.memory2Data, Ocp.speedDown],
    [0xa420, 0xa436, 0xa438, 0xb87c, 0xb87e, 0xa442],
  );
  assert.deepEqual(
    [Ocp.eeeAble, Ocp.eeeAdvertise, Ocp.eeePartner, Ocp.advertise10G, Ocp.partner10G, Ocp.pmaSpeed],
    [0xa5c4, 0xa5d0, 0xa5d2, 0xa5d4, 0xa5d6, 0xa616],
  );
  assert.deepEqual([Ocp.eee2Partner, Ocp.eee2Advertise, Ocp.eee2Able], [0xa6d0, 0xa6d4, 0xa6ec]);
  assert.deepEqual([Ocp.patchRequest, PATCH_REQUEST, Ocp.patchStatus, PATCH_READY], [0xb820, 0x10, 0xb800, 0x40]);
  assert.deepEqual([SPEED_DOWN, PhyState.waking, PhyState.on, PhyState.poweredDown], [0x0c, 2, 3, 5]);
  assert.deepEqual(
    [Physr.linkUp, Physr.fullDuplex, Physr.speed100, Physr.speed1000, Physr.speed2500, Physr.speed5000],
    [0x0004, 0x0008, 0x0010, 0x0020, 0x0210, 0x0220],
  );
  assert.deepEqual([Physr.speed10000, Physr.master, Physr.mdi], [0x0200, 0x0800, 0x0002]);
});

test("PHYs before OCP have the registers of the RTL8211B and of FreeBSD rgephyreg.h, and the windows for loading firmware", () => {
  assert.deepEqual(
    { ...Physr8211 },
    { speed1000: 0x8000, speed100: 0x4000, fullDuplex: 0x2000, resolved: 0x0800, linkUp: 0x0400, mdix: 0x0040 },
  );
  assert.deepEqual([MEMORY_PAGE, MEMORY_ADDRESS, MEMORY_DATA], [5, 5, 6]);
  assert.deepEqual([EXTENSION_PAGE, EXTENSION_SELECT], [7, 0x1e]);
});

test("the fields for MDI and MDI-X are as in FreeBSD rgephyreg.h: RGEPHY_MII_PCR and RGEPHY_MII_SSR, and, for the RTL8211F, RGEPHY_F_MII_PCR1 and RGEPHY_F_MII_SSR", () => {
  assert.deepEqual(CROSSOVER_8211, {
    control: { page: 0, register: 0x10, mask: 0x60, auto: 0x40, mdi: 0, mdix: 0x20 },
    status: { page: 0, register: 0x11, mdi: 0, mdix: 0x40 },
  });
  assert.deepEqual(CROSSOVER_OCP, {
    control: { page: 0xa43, register: 0x10, mask: 0x300, auto: 0, mdi: 0x300, mdix: 0x200 },
    status: { page: 0xa43, register: 0x12, mdi: 2, mdix: 0 },
  });
  assert.deepEqual(
    [DOWNSHIFT_8211, DOWNSHIFT_OCP],
    [
      { page: 0, register: 0x14, bits: 0x8000 },
      { page: 0xa44, register: 0x11, bits: 0xc },
    ],
  );
  assert.deepEqual(
    [NEGOTIATION_10G, PARTNER_10G],
    [
      { page: 0xa5d, register: 0x12 },
      { page: 0xa5d, register: 0x13 },
    ],
  );
});
