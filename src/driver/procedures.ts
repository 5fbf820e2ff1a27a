/** The procedures that start-up sequences call by name: steps that read a register to decide what to write. */
import { Bmcr } from "#chip/phy.ts";
import { PciTiming } from "#chip/registers-8169.ts";
import { Config2 } from "#chip/registers.ts";
import type { Procedure } from "#chip/steps.ts";
import type { Hardware } from "./hardware.ts";
import { resetPhy } from "./phy-bus.ts";
import { PROCEDURES_8125 } from "./procedures-8125.ts";
import { PROCEDURES_8168D } from "./procedures-8168d.ts";
import { PROCEDURES_8168G } from "./procedures-8168g.ts";

/** Bit of Config2 on PCI chips: the bus runs at 66 MHz. */
const PCI_66MHZ = 1 << 0;

/**
 * Writes the bus timing. The low byte of the value is written only for a bus at 66 MHz. Source: FreeBSD
 * `sys/dev/re/if_re.c`, `re_init_locked` (BSD-4-Clause; values only).
 */
const pciTiming =
  (mask: number) =>
  ({ io }: Hardware): void =>
    io.write32(PciTiming, mask | ((io.read8(Config2) & PCI_66MHZ) === 0 ? 0 : 0xff));

/** @param mtu the MTU in bytes */
export const PROCEDURES: Readonly<Record<Procedure, (hw: Hardware, mtu: number) => void>> = {
  pciTiming180: pciTiming(0x000f_ff00),
  // Realtek's own driver uses 0x003f_ff00 here.
  pciTiming980: pciTiming(0x00ff_ff00),
  resetPhy: (hw) => resetPhy(hw, Bmcr.restart),
  ...PROCEDURES_8168D,
  ...PROCEDURES_8168G,
  ...PROCEDURES_8125,
};
