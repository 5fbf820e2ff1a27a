/** Behaviour of the registers that only PCI chips have. Source: RTL8169 register table. */
import * as chip from "#chip/registers-8169.ts";
import { registerLayer, type Rows } from "./layer.ts";

const ALL = 0xffff_ffff;
const { Tbi } = chip;

// prettier-ignore
// oxfmt-ignore
const rows = {
  ERBCR:           { width: 16, reset: 0, writable: 0 },
  MULINT:          { width: 16, reset: 0, writable: 0x0fff },
  // The model has no transceiver at the ten-bit interface (TBI): the registers keep their settings, and there is never
  // a link.
  TBICSR:          { width: 32, reset: 0, writable: (Tbi.reset | Tbi.loopback | Tbi.enable) >>> 0 },
  TBI_ANAR:        { width: 16, reset: 0, writable: 0xffff },
  TBI_LPAR:        { width: 16, reset: 0, writable: 0 },
  PciTiming:       { width: 32, reset: 0, writable: ALL },
  LDPS:            { width: 8,  reset: 0, writable: 0xff },
  WakeUpMask:      { width: 32, reset: 0, writable: ALL },
  WakeUpCrc:       { width: 16, reset: 0, writable: 0xffff },
  // CardBus. In FuncEvent, bit 15 is an interrupt and bit 4 a wake-up, and a bit is cleared by writing a one. The model
  // never sets a bit, so the register always reads 0.
  FuncEvent:       { width: 32, reset: 0, writable: 0 },
  FuncEventMask:   { width: 32, reset: 0, writable: 0xc010 },
  FuncPresetState: { width: 32, reset: 0, writable: 0 },
  FuncForceEvent:  { width: 32, reset: 0, writable: 0 },
} as const satisfies Rows<typeof chip>;

export const PCI = registerLayer(chip, rows, "pci");
