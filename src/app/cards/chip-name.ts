/**
 * Identifies a card's chip without unbinding the card: reads TxConfig once, through the I/O window that every card of
 * the family has. The read has no side effect, so it does not disturb the card's driver.
 */
import { join } from "node:path";
import { chipOf } from "#chip/chips.ts";
import { ChipId, TxConf } from "#chip/registers.ts";
import type { PciId } from "#kit/device.ts";
import { isOfFamily } from "./family.ts";
import { bytesOf, textOf } from "./files.ts";

export type Identification =
  | { readonly name: string; readonly xid: number | undefined }
  | { readonly name: undefined; readonly because: string };

/** Command register of configuration space. */
const COMMAND = 0x04;
/** Bit of the command register that enables the I/O window. */
const IO_SPACE = 1 << 0;
/** Flag of an I/O resource (linux/ioport.h). */
const IORESOURCE_IO = 0x100;
/**
 * Flags of a resource that has no address (linux/ioport.h). Reading the file of such a resource would access other
 * devices' ports.
 */
const IORESOURCE_NOWHERE = 0x3000_0000;
const RTL8139 = 0x8139;

const unknown = (because: string): Identification => ({ name: undefined, because });

/**
 * Whether the function has an I/O window. The first line of `resource` has start, end and flags of the first base
 * address register.
 */
const hasWindow = (resource: string): boolean => {
  const [start = 0, end = 0, flags = 0] = resource.split(/\s+/, 3).map(Number);
  return start > 0 && end >= start + ChipId + 3 && (flags & IORESOURCE_IO) !== 0 && (flags & IORESOURCE_NOWHERE) === 0;
};

/** The reason that the chip cannot be read now; undefined if it can. */
const whyUnreadable = (folder: string): string | undefined => {
  const power = textOf(join(folder, "power_state"));
  if (power !== undefined && power !== "D0" && power !== "unknown") return `the card is asleep (${power})`;
  if (textOf(join(folder, "power/runtime_status")) === "suspended") return "the card is asleep";
  if (!hasWindow(textOf(join(folder, "resource")) ?? "")) return "it has no I/O window";
  const command = bytesOf(join(folder, "config"), 1, COMMAND);
  if (command === undefined || command.length === 0) return "its configuration space cannot be read";
  if ((command[0]! & IO_SPACE) === 0) return "its I/O window is disabled until a driver is bound";
  return undefined;
};

/** @param folder the function's folder in sysfs */
export const identify = (folder: string, id: PciId): Identification => {
  if (!isOfFamily(id)) return unknown("it does not belong to this family");
  // This chip is identified by its PCI id alone.
  if (id.device === RTL8139) return { name: "RTL8139C+", xid: undefined };
  const unreadable = whyUnreadable(folder);
  if (unreadable !== undefined) return unknown(unreadable);
  // The kernel reads these four bytes with one 32-bit access.
  const bytes = bytesOf(join(folder, "resource0"), 4, ChipId);
  if (bytes === undefined || bytes.length < 4) return unknown("only root may read it");
  const value = new DataView(bytes.buffer).getUint32(0, true);
  if (value === 0xffff_ffff) return unknown("it does not respond");
  const xid = (value >>> TxConf.xidShift) & TxConf.xidMask;
  // If TxConfigV2 distinguishes two chips, the first one's name is used.
  const chip = chipOf(xid, { device: id.device, extended: () => 0 });
  return chip === undefined ? unknown(`no chip with XID ${xid.toString(16)} is known`) : { name: chip.name, xid };
};
