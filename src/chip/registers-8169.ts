/**
 * Registers that only the PCI chips have (8169, 8110): ten-bit interface, wake-up patterns, CardBus function events.
 *
 * Source: RTL8169 register table.
 */
import { bits, rw16, rw32, rw8 } from "#kit/mmio.ts";

/** Number of bytes received at an early receive interrupt. */
export const ERBCR = rw16(0x34);
/** Enables early receive interrupts for several packets (datasheet: multiple interrupt select). */
export const MULINT = rw16(0x5c);

/** Ten-bit interface to a fibre transceiver: control and status, own abilities, the link partner's abilities. */
export const TBICSR = rw32(0x64, "Tbi");
export const TBI_ANAR = rw16(0x68);
export const TBI_LPAR = rw16(0x6a);
export const Tbi = bits("Tbi", { reset: 1 << 31, loopback: 1 << 30, enable: 1 << 29, linkUp: 1 << 25 });

/** Undocumented; drivers set some of its bytes to all ones, depending on chip and bus speed. */
export const PciTiming = rw32(0x7c);
/** Link down power saving (the name is FreeBSD's); drivers write 1 after a reset of the chip. */
export const LDPS = rw8(0x82);

const run32 = (from: number, count: number) => Array.from({ length: count }, (_, i) => rw32(from + 4 * i));
const run16 = (from: number, count: number) => Array.from({ length: count }, (_, i) => rw16(from + 2 * i));

/** Wake-up patterns 0 to 4: for each a byte mask (the last three are twice as long) and a CRC of the selected bytes. */
export const WakeUpMask = run32(0x84, 16);
export const WakeUpCrc = run16(0xc4, 5);

/** CardBus function events: status, mask, present state, and a register that forces them. */
export const FuncEvent = rw32(0xf0);
export const FuncEventMask = rw32(0xf4);
export const FuncPresetState = rw32(0xf8);
export const FuncForceEvent = rw32(0xfc);
