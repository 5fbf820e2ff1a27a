/** Number of interrupts of each kind of a PCI function, from its configuration space. PCI 3.0, chapter 6. */
import type { Target } from "#kit/target.ts";
import type { IrqCounts } from "./interrupt-table.ts";
import { IRQS, Irq } from "./protocol.ts";

const STATUS = 0x06;
const HAS_CAPABILITIES = 1 << 4;
const CAPABILITIES = 0x34;
const INTERRUPT_PIN = 0x3d;
const Capability = { msi: 0x05, express: 0x10, msix: 0x11 } as const;
/** The most capabilities that fit into 256 bytes; a longer list is circular. */
const MAX_CAPABILITIES = 48;

export const interruptsOf = (target: Pick<Target, "read">): IrqCounts => {
  const counts = Array.from({ length: IRQS }, () => 0);
  if (target.read("config", INTERRUPT_PIN, 1) !== 0) counts[Irq.intx] = 1;
  counts[Irq.request] = 1;
  if ((target.read("config", STATUS, 2) & HAS_CAPABILITIES) === 0) return counts;
  let at = target.read("config", CAPABILITIES, 1) & ~3;
  for (let n = 0; at >= 0x40 && n < MAX_CAPABILITIES; n++) {
    const id = target.read("config", at, 1);
    const control = target.read("config", at + 2, 2);
    // The MSI field has log2 of the number of messages (6.8.1.3), the MSI-X field the table's size minus one (6.8.2.3).
    if (id === Capability.msi) counts[Irq.msi] = 1 << ((control >>> 1) & 7);
    if (id === Capability.msix) counts[Irq.msix] = (control & 0x7ff) + 1;
    // Only PCI Express functions report advanced errors.
    if (id === Capability.express) counts[Irq.error] = 1;
    at = target.read("config", at + 1, 1) & ~3;
  }
  return counts;
};
