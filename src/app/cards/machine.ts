/** What VFIO requires of the machine: IOMMU, kernel module, limits of this process. */
import { join } from "node:path";
import { exists, type Files, namesIn, textOf } from "./files.ts";
import { type BootSetup, isInstalled, readBootSetup } from "./kernel-line.ts";

export interface Machine {
  /** Processor vendor, which decides how the IOMMU is enabled. */
  readonly processor: "intel" | "amd" | "other";
  /** Whether the machine is a guest, whose IOMMU would be provided by its hypervisor. */
  readonly guest: boolean;
  /** Names of the IOMMUs in use. */
  readonly iommus: readonly string[];
  readonly groups: number;
  /** The firmware's table of IOMMUs: DMAR (Intel), IVRS (AMD), IORT or VIOT; undefined if there is none. */
  readonly firmwareTable: string | undefined;
  /** Kernel parameters that concern IOMMUs. */
  readonly iommuWords: readonly string[];
  readonly vfioPci: boolean;
  /** Whether VFIO's no-IOMMU mode is on. */
  readonly unsafeNoIommu: boolean;
  readonly user: number;
  /** Number of bytes of memory that this process may lock; Infinity if unlimited, or if the limit does not apply. */
  readonly lockableBytes: number;
  /** The program that changes the kernel's command line; undefined if none is known. */
  readonly boot: BootSetup | undefined;
  /** Whether a command can restart the machine into the firmware's set-up. */
  readonly firmwareSetup: boolean;
}

export const VFIO_PCI = "vfio-pci";
const TABLES = ["DMAR", "IVRS", "IORT", "VIOT"];
const WORDS = /^(intel_iommu|amd_iommu|iommu|iommu\.\w+|vfio\S*)(=|$)/;

const processorOf = (cpuinfo: string): Machine["processor"] => {
  const vendor = /^vendor_id\s*:\s*(\S+)/m.exec(cpuinfo)?.[1];
  if (vendor === "GenuineIntel") return "intel";
  return vendor === "AuthenticAMD" || vendor === "HygonGenuine" ? "amd" : "other";
};

/** The capability with which a process may lock any amount of memory (linux/capability.h). */
const CAP_IPC_LOCK = 14n;

/**
 * Number of bytes that this process may lock: the soft limit of proc_pid_limits(5). The kernel enforces the soft limit,
 * not the hard limit.
 */
const lockable = (limits: string, status: string): number => {
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1] ?? "0"}`);
  if (((capabilities >> CAP_IPC_LOCK) & 1n) === 1n) return Number.POSITIVE_INFINITY;
  const soft = /^Max locked memory\s+(\S+)/m.exec(limits)?.[1];
  return soft === "unlimited" ? Number.POSITIVE_INFINITY : Number(soft ?? 0);
};

export const readMachine = (files: Files, user: number): Machine => {
  const cpuinfo = textOf(join(files.proc, "cpuinfo")) ?? "";
  const tables = namesIn(join(files.sys, "firmware/acpi/tables"));
  const words = (textOf(join(files.proc, "cmdline")) ?? "").split(/\s+/);
  return {
    processor: processorOf(cpuinfo),
    guest: /^flags\s*:.*\bhypervisor\b/m.test(cpuinfo),
    iommus: namesIn(join(files.sys, "class/iommu")),
    groups: namesIn(join(files.sys, "kernel/iommu_groups")).length,
    firmwareTable: TABLES.find((name) => tables.includes(name)),
    iommuWords: words.filter((word) => WORDS.test(word)),
    vfioPci: exists(files.driver(VFIO_PCI)),
    unsafeNoIommu: textOf(join(files.sys, "module/vfio/parameters/enable_unsafe_noiommu_mode")) === "Y",
    user,
    lockableBytes: lockable(
      textOf(join(files.proc, "self/limits")) ?? "",
      textOf(join(files.proc, "self/status")) ?? "",
    ),
    boot: readBootSetup(files),
    firmwareSetup: exists(join(files.sys, "firmware/efi")) && isInstalled(files, "systemctl"),
  };
};
