/**
 * Procedures that the start-up sequences of the RTL8168G to the RTL8117 call by name.
 *
 * Sources: DPDK `drivers/net/r8169` (BSD-3-Clause, Realtek), functions named at each procedure; Realtek's FreeBSD
 * driver `if_re.c` (BSD-4-Clause, Realtek; values only), methods MACFG_69 and MACFG_71.
 */
import { IBCR0, IBCR2, IBISR0 } from "#chip/registers.ts";
import type { Procedure } from "#chip/steps.ts";
import { rw8 } from "#kit/mmio.ts";
import { awaitState, type Hardware } from "./hardware.ts";

/** 8168G: writes two PHY settings that depend on the PHY's status (hw_phy_config_8168g_1). */
const followPhyStatus = ({ phy }: Hardware): void => {
  const update = (page: number, register: number, bit: number, set: boolean): void =>
    phy.write(register, (phy.read(register, page) & ~bit) | (set ? bit : 0), page);
  update(0xbcc, 18, 1 << 15, (phy.read(16, 0xa46) & (1 << 8)) === 0);
  update(0xc41, 21, 1 << 1, (phy.read(19, 0xa46) & (1 << 8)) !== 0);
};

/**
 * 8168H: sets the bias of the PHY's converters to the value in the fuses, four bits for each pair. If the fuses are
 * blank (all ones), nothing is written (rtl8168h_require_adc_bias_patch_check).
 */
const biasFromFuses = (hw: Hardware): void => {
  const bus = hw.side;
  bus.macWrite(0xdd02, 0x807d);
  const top = (bus.macRead(0xdd02) >> 7) & 1;
  const rest = bus.macRead(0xdd00);
  const bias = (top << 15) | ((rest & 0xffe0) >> 1) | ((rest & (1 << 4)) >> 1) | (rest & 7);
  if (bias !== 0xffff) hw.phy.write(22, bias, 0xbcf);
};

/**
 * 8168H: writes the value that the PHY reports minus 3, or 0 if that is negative, to the fields of all four pairs
 * (hw_phy_config_8168h_2).
 */
const lengthForPairs = ({ phy }: Hardware): void => {
  const length = Math.max(0, (phy.read(22, 0xbcd) & 0xf) - 3);
  phy.write(23, length * 0x1111, 0xbcd);
};

/** 8168H and 8168FP: sets the length of a millisecond, in periods of the PHY's oscillator (MACFG_69: rg_saw_cnt). */
const calibrateMillisecond = (hw: Hardware): void => {
  const count = hw.phy.read(19, 0xc42) & 0x3fff;
  if (count > 0) hw.side.macUpdate(0xd412, 0x0fff, Math.floor(16_000_000 / count) & 0x0fff);
};

const TRANSMIT_IDLE = 1 << 5;
/** Limit of a wait. DPDK polls 2000 times at intervals of 50 µs. */
const STOP_LIMIT_MICROS = 100_000;

/**
 * If the management controller's firmware runs, stops the controller's transmitter, then its receiver (rtl_check_dash,
 * rtl_dash2_disable_txrx). @param base bits 29:18 of the commands to the controller
 */
const stopManagementMac =
  (base: number) =>
  (hw: Hardware): void => {
    const { io, chip } = hw;
    const { management } = chip.profile;
    if (management?.version === undefined) return;
    const bus = hw.side;
    const [address, bit] = management.enabled;
    if ((bus.outOfBandRead(address, base) & bit) === 0) return;
    const version = bus.outOfBandRead(management.version, base);
    if (version === 0 || version === 0xffff_ffff) return;
    io.update8(IBCR2, 1, 0);
    const idle = (): boolean => (io.read8(IBISR0) & TRANSMIT_IDLE) !== 0;
    awaitState(hw, "the management controller to stop sending", STOP_LIMIT_MICROS, idle, 50);
    io.write8(IBISR0, TRANSMIT_IDLE);
    io.update8(IBCR0, 1, 0);
  };

/** Values of bits 6:3 of MAC-OCP 0xdc00, which identify the package. */
const PACKAGE_DASH = 0xf;
const PACKAGE_SERDES = 0x6;

/**
 * 8168FP: writes settings that depend on the package, and on whether the chip has a SerDes instead of the PHY
 * (hw_config_8168fp).
 */
const fitPackage = (hw: Hardware): void => {
  const { io } = hw;
  const bus = hw.side;
  const kind = (bus.macRead(0xdc00) >> 3) & 0xf;
  const dash = kind === PACKAGE_DASH;
  bus.macWrite(0xea80, dash ? 3 : 0);
  bus.macUpdate(0xe052, (1 << 3) | (1 << 0), dash ? 1 << 0 : 0);
  bus.eriUpdate(0x5f0, 0xffff, dash ? 0x4f00 : 0x4000);
  const medium = (bus.eriRead(0xe4) >>> 16) & 0xff;
  const serdes = kind === PACKAGE_SERDES && (medium === 0 || medium === 2);
  const update = (at: number, bit: number): void => io.update8(rw8(at), serdes ? bit : 0, serdes ? 0 : bit);
  update(0xd0, 1 << 6);
  update(0xf2, 1 << 6);
  update(0xd0, 1 << 7);
};

/** Bits 29:18 of a command to the 8168FP's management controller (RTL8168FP_OOBMAC_BASE). */
const BASE_8168FP = 0xf70 << 18;

export const PROCEDURES_8168G = {
  followPhyStatus,
  biasFromFuses,
  lengthForPairs,
  calibrateMillisecond,
  stopManagementMac: stopManagementMac(0),
  stopManagementMac8168fp: stopManagementMac(BASE_8168FP),
  fitPackage,
} satisfies Partial<Record<Procedure, (hw: Hardware) => void>>;
