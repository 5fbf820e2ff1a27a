/** Firmware files of this system, where the kernel's own loader looks for them, or in a folder that the user names. */
import { execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { FerruleError } from "#kit/errors.ts";

/** No firmware of this family has a tenth of it. */
const LARGEST_BYTES = 1 << 20;
const XZ_LIMIT_MILLIS = 10_000;

/** The folder that the user named does not have the chip's file. */
export class NoFirmware extends FerruleError {
  readonly code = "NO_FIRMWARE";
  readonly hint = "Name the folder that has rtl_nic in it (Debian: /lib/firmware), or leave --firmware out.";
  constructor(file: string, folder: string) {
    super(`${folder} has no ${file}`);
  }
}

/** Linux's `drivers/base/firmware_loader` documentation: first that of the module parameter, then these. */
const systemFolders = (): readonly string[] => {
  let named = "";
  try {
    named = readFileSync("/sys/module/firmware_class/parameters/path", "utf8").trim();
  } catch {
    // No such parameter: no such folder.
  }
  const folders = ["updates", `updates/${release()}`, release(), ""].map((name) => join("/lib/firmware", name));
  return named === "" ? folders : [named, ...folders];
};

/** As it is in the file, or compressed as distributions have it. */
const FORMS: readonly (readonly [suffix: string, read: (path: string) => Uint8Array])[] = [
  ["", (path) => readFileSync(path)],
  [".zst", (path) => zstdDecompressSync(readFileSync(path), { maxOutputLength: LARGEST_BYTES })],
  [".xz", (path) => execFileSync("xz", ["-dc", path], { maxBuffer: LARGEST_BYTES, timeout: XZ_LIMIT_MILLIS })],
];

const isFile = (path: string): boolean => {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.isFile() && found.size <= LARGEST_BYTES;
};

/**
 * Reads firmware files by their name in the chip's row, such as `rtl_nic/rtl8168h-2.fw`.
 * @param folder where to look instead of the system's own folders
 */
export const firmwareFiles =
  (folder: string | undefined) =>
  (file: string): Uint8Array | undefined => {
    for (const place of folder === undefined ? systemFolders() : [folder])
      for (const [suffix, read] of FORMS) {
        const path = join(place, file + suffix);
        if (isFile(path)) return read(path);
      }
    if (folder !== undefined) throw new NoFirmware(file, folder);
    return undefined;
  };
