/** A card as shown by the kernel in /sys: identity, driver, slot, and interfaces. */
import { join } from "node:path";
import type { PciId } from "#kit/device.ts";
import { identify, type Identification } from "./chip-name.ts";
import { isOfFamily } from "./family.ts";
import { exists, type Files, linkOf, namesIn, numberOf, textOf } from "./files.ts";

/** A PCI function of any kind. */
export interface PciFunction extends PciId {
  readonly address: string;
  /** Class code, 24 bits. */
  readonly class: number;
  /** The kernel driver of the function; undefined if it has none. */
  readonly driver: string | undefined;
}

export interface NetworkInterface {
  readonly name: string;
  /** Whether there is a carrier; undefined while the interface is down, because the kernel then does not report it. */
  readonly carrier: boolean | undefined;
  /** Speed of the link in Mbit/s; undefined without a carrier. */
  readonly speed: number | undefined;
}

/** An IOMMU group: functions that the IOMMU cannot distinguish. */
export interface Group {
  readonly number: string;
  /** Whether the group was created by VFIO's no-IOMMU mode, in which DMA is not restricted. */
  readonly unsafe: boolean;
  /** The other functions in the group. */
  readonly others: readonly PciFunction[];
}

export interface Card extends PciFunction {
  /** The only driver that may bind to the card, if one is set (driver_override). */
  readonly override: string | undefined;
  readonly group: Group | undefined;
  readonly numaNode: number | undefined;
  /** The PCI Express link; undefined for a card on a conventional PCI bus. */
  readonly pcie: { readonly speed: string; readonly width: number } | undefined;
  /** Power state, "D0" to "D3cold" or "unknown"; undefined if the kernel does not report it. */
  readonly power: string | undefined;
  /** The kernel's methods of resetting only this function. */
  readonly resets: readonly string[];
  readonly interfaces: readonly NetworkInterface[];
  readonly chip: Identification;
}

/** @returns undefined if there is no such function */
export const readFunction = (files: Files, address: string): PciFunction | undefined => {
  const folder = files.device(address);
  const [vendor, device] = [numberOf(join(folder, "vendor")), numberOf(join(folder, "device"))];
  if (vendor === undefined || device === undefined) return undefined;
  return {
    address,
    vendor,
    device,
    subsystemVendor: numberOf(join(folder, "subsystem_vendor")) ?? 0,
    subsystemDevice: numberOf(join(folder, "subsystem_device")) ?? 0,
    revision: numberOf(join(folder, "revision")) ?? 0,
    class: numberOf(join(folder, "class")) ?? 0,
    driver: linkOf(join(folder, "driver")),
  };
};

const readGroup = (files: Files, address: string): Group | undefined => {
  const link = join(files.device(address), "iommu_group");
  const number = linkOf(link);
  if (number === undefined || !/^\d+$/.test(number)) return undefined;
  const others = namesIn(join(link, "devices"))
    .filter((name) => name !== address)
    .map((name) => readFunction(files, name));
  return {
    number,
    unsafe: textOf(join(link, "name")) === "vfio-noiommu",
    others: others.filter((other) => other !== undefined),
  };
};

const readInterface = (files: Files, name: string): NetworkInterface => {
  const folder = join(files.sys, "class/net", name);
  const carrier = numberOf(join(folder, "carrier"));
  const speed = numberOf(join(folder, "speed"));
  return {
    name,
    carrier: carrier === undefined ? undefined : carrier === 1,
    speed: carrier === 1 && speed !== undefined && speed > 0 ? speed : undefined,
  };
};

const readLink = (folder: string): Card["pcie"] => {
  const speed = textOf(join(folder, "current_link_speed"));
  const width = numberOf(join(folder, "current_link_width"));
  if (speed === undefined || !/^\d/.test(speed) || width === undefined || width === 0) return undefined;
  return { speed: speed.replace(/ PCIe$/, ""), width };
};

/** The text; undefined if it is empty, or "(null)", which the kernel writes if there is no override. */
const unlessEmpty = (text: string | undefined): string | undefined =>
  text === "" || text === "(null)" ? undefined : text;

/** Describes a card, whether of the family or not; undefined if there is none at that address. */
export const readCard = (files: Files, address: string): Card | undefined => {
  const found = readFunction(files, address);
  if (found === undefined) return undefined;
  const folder = files.device(address);
  const node = numberOf(join(folder, "numa_node"));
  return {
    ...found,
    override: unlessEmpty(textOf(join(folder, "driver_override"))),
    group: readGroup(files, address),
    // The kernel writes -1 on a machine without NUMA nodes.
    numaNode: node === undefined || node < 0 ? undefined : node,
    pcie: readLink(folder),
    power: unlessEmpty(textOf(join(folder, "power_state"))),
    resets: (textOf(join(folder, "reset_method")) ?? "").split(/\s+/).filter((word) => word !== ""),
    interfaces: namesIn(join(folder, "net")).map((name) => readInterface(files, name)),
    chip: identify(folder, found),
  };
};

/** The family's cards in this machine, sorted by address. */
export const listCards = (files: Files): readonly Card[] =>
  namesIn(join(files.sys, "bus/pci/devices")).flatMap((address) => {
    const found = readFunction(files, address);
    const card = found !== undefined && isOfFamily(found) ? readCard(files, address) : undefined;
    return card === undefined ? [] : [card];
  });

/** Whether the machine has a PCI bus that the kernel shows. */
export const hasPci = (files: Files): boolean => exists(join(files.sys, "bus/pci/devices"));
