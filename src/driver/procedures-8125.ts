/**
 * Steps of the start-up of RTL8125, 8126, 8127 and 9151 that read the chip, or need the MTU, to decide what they write.
 *
 * Source: DPDK `drivers/net/r8169` (BSD-3-Clause, Realtek), functions named at each.
 */
import { Ocp, PATCH_READY, PATCH_REQUEST } from "#chip/phy.ts";
import { DLLPR, Dllpr, MISC_1, Misc1 } from "#chip/registers.ts";
import { awaitState, type Hardware } from "./hardware.ts";

/** From this MTU on the thresholds follow another rule. */
const LARGE_MTU = 9500;

/**
 * Flow control: how full the receive FIFO is when pause begins and when it ends, in units of 16 bytes (rtl8125_get_fifo_nf,
 * rtl8125_get_fifo_ne).
 */
const fifoThresholds =
  (full: (mtu: number) => number, empty: (mtu: number) => number) =>
  (hw: Hardware, mtu: number): void => {
    const bus = hw.side;
    bus.macWrite(0xc0a6, full(mtu) >> 4);
    bus.macWrite(0xc0aa, empty(mtu) >> 4);
  };
/** The same constant below the large MTU; from there on, `base` and the MTU once more. */
const fullAt = (base: number) => (mtu: number) => base + (mtu < LARGE_MTU ? mtu : 2 * mtu - LARGE_MTU);
const emptyAt = (usual: number, large: number) => (mtu: number) => (mtu < LARGE_MTU ? usual : large - mtu);

/** Pair 0 is bits 4:0 of a register, pair 1 bits 12:8; pairs 2 and 3 are the same of the next. */
const CAPACITORS = [0xbd5a, 0xbc18];
const BOTH = 0x1f1f;
const swapBytes = (word: number): number => ((word & 0xff) << 8) | (word >> 8);

/**
 * RTL8125A on a board with its pairs in reverse order: the calibration that fuses gave pairs 0 to 3 goes to pairs 3 to 0
 * (rtl_init_software_variable: RequirePhyMdiSwapPatch; rtl_hw_phy_config_8125a_2). Done, it is not asked for again.
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

/** Asks the PHY's controller to stand still, or lets it go on (rtl_set_phy_mcu_patch_request, rtl_clear_phy_mcu_patch_request). */
const phyPatch =
  (request: boolean) =>
  (hw: Hardware): void => {
    const bus = hw.side;
    bus.phyUpdate(Ocp.patchRequest, PATCH_REQUEST, request ? PATCH_REQUEST : 0);
    const done = (): boolean => ((bus.phyRead(Ocp.patchStatus) & PATCH_READY) !== 0) === request;
    awaitState(hw, `the PHY's controller to ${request ? "stand still" : "go on"}`, PATCH_LIMIT_MICROS, done);
  };
const requestPhyPatch = phyPatch(true);
const releasePhyPatch = phyPatch(false);

const PHY_POWER_SAVING = { address: 0xc416, off: 0x0500 } as const;

/**
 * Power saving of the PHY's registers, which may not change while its controller runs (rtl_disable_ocp_phy_power_saving: for
 * this chip it looks for 0x0050, for all others for what it then writes).
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

/** The PHY's own interrupts: none, and those that came are forgotten when they are read (rtl_tgphy_irq_mask_and_ack). */
const phyInterruptsOff = (hw: Hardware): void => {
  const bus = hw.side;
  bus.phyWrite(0xa4d2, 0);
  bus.phyRead(0xa4d4);
};

/** Low byte of MAC-OCP 0xd006: kinds with a management controller. */
const MANAGED: readonly number[] = [2, 3, 4];

/**
 * Power saving of the link layer, and of the transmitter at 10 Mbit/s. A management controller needs the link itself: what
 * its firmware chose stays (rtl8125_hw_config, rtl_init_software_variable).
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
