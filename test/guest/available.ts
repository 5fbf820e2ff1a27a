/** Whether guests with our NICs can run on this machine. */
import { accessSync, constants, existsSync } from "node:fs";
import { skipFor } from "../rigs/skip.ts";

/** Programs from util-linux, dpkg and apt, which every Debian system has. */
const NEEDED = ["apt-get", "dpkg-deb", "flock", "nsenter", "setpriv", "tar", "timeout", "unshare"];
const FOLDERS = `${process.env["PATH"]}:/usr/sbin:/sbin`.split(":");

const mayUse = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** Why guests cannot run here, or false; for node:test's `skip`. @throws {Error} in CI, where nothing may be skipped */
export const noRig = (): string | false => {
  if (process.env["FERRULE_NO_SKIP"] === undefined && process.env["FERRULE_GUEST"] === undefined)
    return "boots guests: npm run test:guest";
  const missing = NEEDED.filter((program) => !FOLDERS.some((folder) => existsSync(`${folder}/${program}`)));
  if (!mayUse("/dev/net/tun")) missing.push("/dev/net/tun");
  if (process.arch !== "x64") missing.push("an x86-64 machine");
  return skipFor(missing.length > 0 && `needs ${missing.join(", ")}`);
};
