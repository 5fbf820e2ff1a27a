/** A card's state according to the kernel's files, read before anything is opened. */
import { existsSync, readFileSync, readdirSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { type Neighbour, NoIommu, NoSuchCard, NotBound } from "./errors.ts";

/** Root directories of the kernel's files. */
export interface Roots {
  readonly sys: string;
  readonly dev: string;
}
export const SYSTEM: Roots = { sys: "/sys", dev: "/dev" };

export interface VfioCard {
  readonly address: string;
  /** Number of the card's IOMMU group. */
  readonly group: number;
  /** The card is used without an IOMMU. */
  readonly unsafe: boolean;
  /** Path of the group's file. */
  readonly groupPath: string;
  readonly containerPath: string;
  /** Paths of the device's own file and of iommufd, if the kernel provides both. */
  readonly node: { readonly path: string; readonly iommuPath: string } | undefined;
  /** Other functions of the group that are bound to kernel drivers. */
  readonly others: readonly Neighbour[];
}

/** Drivers that never use DMA, or have stopped using it. */
const HARMLESS = /^(vfio|pci-stub$|pcieport$|xen-pciback$)/;

const linkName = (path: string): string | undefined => {
  try {
    return basename(readlinkSync(path));
  } catch {
    return undefined;
  }
};

const names = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
};

const nameOf = (group: string): string => {
  try {
    return readFileSync(join(group, "name"), "utf8").trim();
  } catch {
    return "";
  }
};

/**
 * Reads a card's state.
 * @param address as 0000:03:00.0
 * @param unsafe whether the card may be used without an IOMMU
 * @throws {NoSuchCard} {NotBound} {NoIommu}
 */
export const readVfioCard = (address: string, unsafe: boolean, { sys, dev }: Roots = SYSTEM): VfioCard => {
  const functions = join(sys, "bus/pci/devices");
  const here = join(functions, address);
  const driverOf = (at: string): string | undefined => linkName(join(functions, at, "driver"));
  if (!existsSync(here)) throw new NoSuchCard(address);
  const driver = driverOf(address);
  const group = linkName(join(here, "iommu_group"));
  // Without a group vfio-pci rejects the card, so advice to bind it would not help.
  if (group === undefined && driver !== "vfio-pci" && !unsafe) throw new NoIommu(address, false);
  if (driver === undefined || !driver.startsWith("vfio-pci")) throw new NotBound({ address, driver });
  if (group === undefined) throw new NoIommu(address, true);
  const folder = join(sys, "kernel/iommu_groups", group);
  const without = nameOf(folder) === "vfio-noiommu";
  if (without && !unsafe) throw new NoIommu(address, true);
  const node = names(join(here, "vfio-dev")).find((name) => /^vfio\d+$/.test(name));
  const path = node === undefined ? "" : join(dev, "vfio/devices", node);
  const iommuPath = join(dev, "iommu");
  return {
    address,
    group: Number(group),
    unsafe: without,
    groupPath: join(dev, "vfio", without ? `noiommu-${group}` : group),
    containerPath: join(dev, "vfio/vfio"),
    node: node !== undefined && existsSync(path) && existsSync(iommuPath) ? { path, iommuPath } : undefined,
    others: names(join(folder, "devices"))
      .filter((other) => other !== address)
      .map((other) => ({ address: other, driver: driverOf(other) }))
      .filter((other) => other.driver !== undefined && !HARMLESS.test(other.driver)),
  };
};
