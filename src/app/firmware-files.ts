/** Finds firmware files in the folders of the kernel's loader, or in a folder given by the user. */
import { type ExecFileSyncOptions, execFileSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { BadFirmware } from "#driver/firmware.ts";
import { FerruleError } from "#kit/errors.ts";

/** Maximum size of a file in bytes, far above that of the largest firmware of this family. */
const LARGEST_BYTES = 1 << 20;
const XZ = {
  maxBuffer: LARGEST_BYTES,
  timeout: 10_000,
  stdio: ["ignore", "pipe", "ignore"],
} satisfies ExecFileSyncOptions;

/** The folder given by the user does not have the chip's file. */
export class NoFirmware extends FerruleError {
  readonly code = "NO_FIRMWARE";
  readonly hint = "Give the folder that contains rtl_nic (Debian: /lib/firmware), or omit --firmware.";
  constructor(file: string, folder: string) {
    super(`${folder} has no ${file}`);
  }
}

/**
 * The system's folders in the order of search: first the folder in the module parameter of the kernel's loader, then
 * those in the documentation of Linux's `drivers/base/firmware_loader`.
 */
const systemFolders = (): readonly string[] => {
  let named = "";
  try {
    named = readFileSync("/sys/module/firmware_class/parameters/path", "utf8").trim();
  } catch {
    // The parameter is not set.
  }
  const folders = ["updates", `updates/${release()}`, release(), ""].map((name) => join("/lib/firmware", name));
  return named === "" ? folders : [named, ...folders];
};

/** Forms in which distributions install a file: uncompressed, and compressed in several ways. */
const FORMS: readonly (readonly [suffix: string, read: (path: string) => Uint8Array])[] = [
  ["", (path) => readFileSync(path)],
  [".zst", (path) => zstdDecompressSync(readFileSync(path), { maxOutputLength: LARGEST_BYTES })],
  [".xz", (path) => execFileSync("xz", ["-dc", "--", path], XZ)],
];

/** Reads a file, and decompresses it up to a limit. @throws {BadFirmware} {NodeJS.ErrnoException} */
const unpack = (path: string, read: (path: string) => Uint8Array): Uint8Array => {
  try {
    return read(path);
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" && syscall?.startsWith("spawn") === true)
      throw new BadFirmware(path, "the program that unpacks it, xz, is not installed");
    // A file that cannot be opened or read is not necessarily damaged, so the system's error is thrown.
    if (syscall === "open" || syscall === "read") throw error;
    throw new BadFirmware(path, "it cannot be unpacked");
  }
};

const isFile = (path: string): boolean => {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.isFile() && found.size <= LARGEST_BYTES;
};

/**
 * Returns a function that reads a firmware file by its name in the chip table, such as `rtl_nic/rtl8168h-2.fw`.
 * @param folder used instead of the system's folders
 * @returns the function. It returns undefined if no system folder has the file. It throws {NoFirmware} {BadFirmware},
 * and the system's error if the file cannot be read
 */
export const firmwareFiles =
  (folder: string | undefined) =>
  (file: string): Uint8Array | undefined => {
    for (const place of folder === undefined ? systemFolders() : [folder])
      for (const [suffix, read] of FORMS) {
        const path = join(place, file + suffix);
        if (isFile(path)) return unpack(path, read);
      }
    if (folder !== undefined) throw new NoFirmware(file, folder);
    return undefined;
  };
