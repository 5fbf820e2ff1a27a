/** Realtek's drivers for Linux, r8168 and r8125, compiled for a guest's kernel from Debian's DKMS source packages. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { skipFor } from "../rigs/skip.ts";
import { ARCHIVE, partOf, RECIPES } from "./parts.ts";

/** The kernel for which the drivers are compiled: Debian 12's, whose compiler is the most likely to be installed. */
export const VENDOR_KERNEL = RECIPES.vendor.kernel!;

const NEEDED = ["gcc", "make"];

/** Why the drivers cannot be compiled on this machine, or false. @throws {Error} in CI, where nothing may be skipped */
export const noVendor = (): string | false => {
  const folders = (process.env["PATH"] ?? "").split(":");
  const missing = NEEDED.filter((program) => !folders.some((folder) => existsSync(join(folder, program))));
  return skipFor(missing.length > 0 && `compiles kernel modules, which needs ${missing.join(" and ")}`);
};

/** An archive for `GuestOptions.archives`: /vendor/r8168.ko and /vendor/r8125.ko. Built if missing. @throws {Error} */
export const vendorArchive = (): string => join(partOf("vendor"), ARCHIVE);
