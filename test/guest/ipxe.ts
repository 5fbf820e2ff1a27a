/** A machine without an operating system, on which iPXE executes a script. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { qemuCommand } from "./guest.ts";
import { partOf } from "./parts.ts";

/**
 * A command line for QEMU, to be run with `qemuEnvironment`. @param folder the folder to which the script is written
 * @param devices arguments for QEMU
 */
export const ipxeCommand = (folder: string, script: string, devices: readonly string[]): readonly string[] => {
  const path = join(folder, "script.ipxe");
  writeFileSync(path, script);
  const data = join(partOf("tools"), "usr/share");
  return [
    qemuCommand(),
    ["-L", join(data, "qemu"), "-L", join(data, "seabios"), "-nodefaults", "-no-user-config", "-display", "none"],
    ["-machine", "q35,memory-backend=ram", "-accel", "tcg", "-m", "256M", "-vga", "std"],
    ["-object", "memory-backend-memfd,id=ram,size=256M,share=on"],
    ["-kernel", join(partOf("ipxe"), "usr/lib/ipxe/ipxe.lkrn"), "-initrd", path],
    devices,
  ].flat();
};
