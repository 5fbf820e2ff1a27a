/** Whether the VFIO rig can run on this machine. */
import { existsSync } from "node:fs";
import { skipFor } from "../rigs/skip.ts";

/** Programs from util-linux, dpkg, apt and npm. */
const NEEDED = ["apt-get", "dpkg-deb", "flock", "npm", "setpriv", "tar"];
const FOLDERS = `${process.env["PATH"]}:/usr/sbin:/sbin`.split(":");

/**
 * Why the VFIO tests cannot run, or false: for node:test's `skip`. QEMU need not be installed, because it is fetched
 * with the kernels.
 * @throws {Error} in CI, where nothing may be skipped
 */
export const noVfio = (): string | false => {
  const missing = NEEDED.filter((program) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`)));
  if (process.arch !== "x64") missing.push("an x86-64 machine");
  return skipFor(missing.length > 0 && `needs ${missing.join(", ")}`);
};
