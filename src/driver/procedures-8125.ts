/**
 * Start-up steps of the RTL8125, 8126, 8127 and 9151 whose writes depend on registers or on the MTU. Source: DPDK
 * `drivers/net/r8169` (BSD-3-Clause, Realtek); the comment of each step names the function.
 */
import { Ocp, PATCH_READY, PATCH_REQUEST } from "#chip/phy.ts";
import { DLLPR, Dllpr, MISC_1, Misc1 } from "#chip/registers.ts";
import { awaitState, type Hardware } from "./hardware.ts";

/** From this MTU on, the thresholds are computed differently. */
const LARGE_MTU = 9500;

/**
 * Flow control: the fill levels of the receive FIFO at which pause begins and ends, in units of 16 bytes
 * (rtl8125_get_fifo_nf, rtl8125_get_fifo_ne).
 */
const fifoThresholds =
  (full: (mtu: number) => number, empty: (mtu: number) => number) =>
  (hw: Hardware, mtu: number): void => {
    const bus = hw.side;
    bus.macWrite(0xc0a6, full(mtu) >> 4);
    bus.macWrite(0xc0aa, empty(mtu) >> 4);
  };
/** The two thresholds by MTU. Below `LARGE_MTU`, pause begins at `base` plus the MTU, and ends at a constant level. */
const fullAt = (base: number) => (mtu: number) => base + (mtu < LARGE_MTU ? mtu : 2 * mtu - LARGE_MTU);
const emptyAt = (usual: number, large: number) => (mtu: number) => (mtu < LARGE_MTU ? usual : large - mtu);

/**
 * Registers with calibration values: pair 0 in bits 4:0, pair 1 in bits 12:8; pairs 2 and 3 in the same bits of the
 * next register.
 */
const CAPACITORS = [0xbd5a, 0xbc18];
const BOTH = 0x1f1f;
const swapBytes = (word: number): number => ((word & 0xff) << 8) | (word >> 8);

/**
 * RTL8125A on a board with its pairs in reverse order: the calibration values that the fuses hold for pairs 0 to 3 are
 * written to pairs 3 to 0. Bit 1 of 0xd068 is then clear, so that this is done only once (rtl_init_software_variable:
 * RequirePhyMdiSwapPatch; rtl_hw_phy_config_8125a_2).
 */
const swapPairs = (hw: Hardware): void => {
  const bus = hw.side;
  if ((bus.macRead(0xd442) & (1 << 5)) === 0 || (bus.phyRead(0xd068) & (1 << 1)) === 0) return;
  bus.phyUpdate(0xd068, 0x0007, 0x0001);
  const select = (pair: number): void => bus.phyUpdate(0xd068, 0x0018, pair << 3);
  const offsets = [0, 1, 2, 3].map((pair) => {
    select(pair);
    return bus.phyRead(0xd06a) & 0x07ff;
  });
  for (const [pair, offset] of offsets.toReversed().entries()) {
    select(pair);
    bus.phyUpdate(0xd06a, 0x07ff, offset);
  }
  for (const address of CAPACITORS) {
    const low = bus.phyRead(address) & BOTH;
    const high = bus.phyRead(address + 2) & BOTH;
    bus.phyUpdate(address, BOTH, swapBytes(high));
    bus.phyUpdate(address + 2, BOTH, swapBytes(low));
  }
};

const PATCH_LIMIT_MICROS = 100_000;

/**
 * Asks the PHY's controller to halt or to continue, and waits until the controller has done so
 * (rtl_set_phy_mcu_patch_request, rtl_clear_phy_mcu_patch_request).
 */
const phyPatch =
  (request: boolean) =>
  (hw: Hardware): void => {
    const bus = hw.side;
    bus.phyUpdate(Ocp.patchRequest, PATCH_REQUEST, request ? PATCH_REQUEST : 0);
    const done = (): boolean => ((bus.phyRead(Ocp.patchStatus) & PATCH_READY) !== 0) === request;
    awaitState(hw, `the PHY's controller to ${request ? "halt" : "continue"}`, PATCH_LIMIT_MICROS, done);
  };
const requestPhyPatch = phyPatch(true);
const releasePhyPatch = phyPatch(false);

const PHY_POWER_SAVING = { address: 0xc416, off: 0x0500 } as const;

/**
 * Disables power saving of the PHY's registers. The PHY's controller must be halted during the change. DPDK's
 * rtl_disable_ocp_phy_power_saving compares the old value with 0x0050 on the RTL8125A, and on all other chips with the
 * value that it writes. This code always compares the old value with the value that it writes.
 */
const phyPowerSavingOff = (hw: Hardware): void => {
  const bus = hw.side;
  const { address, off } = PHY_POWER_SAVING;
  if (bus.phyRead(address) === off) return;
  requestPhyPatch(hw);
  bus.phyWrite(address, 0);
  bus.phyWrite(address, off);
  releasePhyPatch(hw);
};

/** Disables the PHY's own interrupts, and clears pending ones by reading the status (rtl_tgphy_irq_mask_and_ack). */
const phyInterruptsOff = (hw: Hardware): void => {
  const bus = hw.side;
  bus.phyWrite(0xa4d2, 0);
  bus.phyRead(0xa4d4);
};

/** Values of the low byte of MAC-OCP 0xd006 on chips with a management controller. */
const MANAGED: readonly number[] = [2, 3, 4];

/**
 * Enables power saving in the link layer, and in the transmitter at 10 Mbit/s. If a management controller uses the
 * link, the settings of the controller's firmware are kept (rtl8125_hw_config, rtl_init_software_variable).
 */
const saveLinkPower = (hw: Hardware): void => {
  const { io, chip } = hw;
  if (chip.profile.management !== undefined || MANAGED.includes(hw.side.macRead(0xd006) & 0xff)) return;
  io.update8(DLLPR, 0, Dllpr.pfm | Dllpr.tenMegPowerSave);
  io.update8(MISC_1, 0, Misc1.pfmD3cold);
};

export const PROCEDURES_8125 = {
  fifoThresholds8125: fifoThresholds(
    (mtu) => (mtu < LARGE_MTU ? 14_215 + mtu : 0x5ca0),
    () => 0x6be0,
  ),
  fifoThresholds8126: fifoThresholds(fullAt(14_447), emptyAt(0x107c0, 77_033)),
  fifoThresholds8127: fifoThresholds(fullAt(17_171), emptyAt(0x2c4a0, 190_910)),
  saveLinkPower,
  requestPhyPatch,
  releasePhyPatch,
  phyPowerSavingOff,
  phyInterruptsOff,
  swapPairs,
};
