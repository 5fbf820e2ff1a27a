/**
 * Procedures that the start-up sequences of the RTL8168D to the RTL8168E-VL call by name.
 *
 * Source: Realtek's FreeBSD driver `if_re.c` (BSD-4-Clause, Realtek; values only): `re_hw_phy_config`, methods 31 and
 * 33, `MP_ReadEfuse` and `re_rar_set`; for extended registers 0xe0 and 0xe4, a register trace of Linux 6.12.
 */
import { PARAMETER_8168D, type Procedure } from "#chip/steps.ts";
import { EFUSEAR, FLAG, IDR0, IDR4, SecMAC0, SecMAC4 } from "#chip/registers.ts";
import { until } from "#kit/clock.ts";
import type { Hardware } from "./hardware.ts";

const FUSE_LIMIT_MICROS = 30_000;
const BLANK = 0xff;

/**
 * Reads a byte of the one-time programmable memory, at address 0 to 0x3ff. If the memory does not respond, returns the
 * value of a blank byte.
 */
const fuse = ({ io, clock, expiredWaits }: Hardware, address: number): number => {
  io.write32(EFUSEAR, address << 8);
  if (until(clock, FUSE_LIMIT_MICROS, 100, () => io.read32(EFUSEAR) >= FLAG)) return io.read32(EFUSEAR) & 0xff;
  expiredWaits.note("the one-time memory to be read");
  return BLANK;
};

const CALIBRATED = { address: 0x01, value: 0xb1 } as const;
/** The address at which the PHY's controller has its copy of the regulator's setting. */
const COPY = 0x8330;
/** The voltage in PHY register 0x0d on page 2. The field is set to each value from `first` to `last` in turn. */
const VOLTAGE = { register: 0x0d, mask: 0xff, first: 0x65, last: 0x6c } as const;

/**
 * 8168D: sets the PHY's voltage regulator; the setting depends on whether the factory has calibrated the chip. @param
 * plain the setting for an uncalibrated chip
 */
const regulator =
  (plain: number) =>
  (hw: Hardware): void => {
    const { phy } = hw;
    const { page, address, data } = PARAMETER_8168D;
    const calibrated = fuse(hw, CALIBRATED.address) === CALIBRATED.value;
    const setting = calibrated ? 0x669a : plain;
    phy.write(0x05, setting, 2);
    phy.write(address, COPY, page);
    phy.write(data, setting, page);
    if (!calibrated) return;
    const now = phy.read(VOLTAGE.register, 2);
    if ((now & VOLTAGE.mask) === VOLTAGE.last) return;
    for (let voltage: number = VOLTAGE.first; voltage <= VOLTAGE.last; voltage++)
      phy.write(VOLTAGE.register, (now & ~VOLTAGE.mask) | voltage, 2);
  };

/** 8168E: writes the second copy of the station address. */
const copyAddressToSecond = ({ io }: Hardware): void => {
  io.write32(SecMAC0, io.read32(IDR0));
  io.write16(SecMAC4, io.read32(IDR4) & 0xffff);
};

/** 8168E-VL: writes two more copies of the station address, the second one shifted by two bytes. */
const copyAddressToExtended = ({ io, side }: Hardware): void => {
  const low = io.read32(IDR0);
  const high = io.read32(IDR4) & 0xffff;
  side.eriWrite(0xe0, low);
  side.eriWrite(0xe4, high);
  side.eriWrite(0xf0, low << 16);
  side.eriWrite(0xf4, (low >>> 16) | (high << 16));
};

export const PROCEDURES_8168D = {
  regulatorOf281: regulator(0x6662),
  regulatorOf280: regulator(0x2642),
  copyAddressToSecond,
  copyAddressToExtended,
} satisfies Partial<Record<Procedure, (hw: Hardware) => void>>;
