/** A small /sys and /dev in a temporary directory: PCI functions, their drivers and IOMMU groups. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Roots } from "./vfio-card.ts";

export interface PciFunction {
  readonly address: string;
  readonly driver?: string;
  readonly group?: number;
  /** Number of the function's own VFIO file. */
  readonly node?: number;
}

export class Tree implements Roots, Disposable {
  readonly sys: string;
  readonly dev: string;
  readonly #root = mkdtempSync(join(tmpdir(), "ferrule-vfio-"));

  constructor(functions: readonly PciFunction[], options: { readonly withoutIommu?: boolean } = {}) {
    this.sys = join(this.#root, "sys");
    this.dev = join(this.#root, "dev");
    mkdirSync(join(this.sys, "bus/pci/devices"), { recursive: true });
    mkdirSync(join(this.dev, "vfio/devices"), { recursive: true });
    for (const each of functions) this.#add(each, options.withoutIommu === true);
  }

  #add({ address, driver, group, node }: PciFunction, withoutIommu: boolean): void {
    const folder = join(this.sys, "bus/pci/devices", address);
    mkdirSync(folder);
    if (driver !== undefined) symlinkSync(`../../../../bus/pci/drivers/${driver}`, join(folder, "driver"));
    if (node !== undefined) {
      mkdirSync(join(folder, `vfio-dev/vfio${node}`), { recursive: true });
      writeFileSync(join(this.dev, `vfio/devices/vfio${node}`), "");
      writeFileSync(join(this.dev, "iommu"), "");
    }
    if (group === undefined) return;
    const members = join(this.sys, "kernel/iommu_groups", String(group), "devices");
    mkdirSync(members, { recursive: true });
    if (withoutIommu) writeFileSync(join(members, "../name"), "vfio-noiommu\n");
    symlinkSync(`../../../../kernel/iommu_groups/${group}`, join(folder, "iommu_group"));
    symlinkSync(`../../../../bus/pci/devices/${address}`, join(members, address));
  }

  [Symbol.dispose](): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}
