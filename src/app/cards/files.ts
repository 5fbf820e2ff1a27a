/**
 * Reads files of /sys, /proc and /dev. Any of these files may be missing, unreadable or malformed: then the functions
 * return undefined or an empty list, and do not throw.
 */
import { closeSync, constants, openSync, readdirSync, readlinkSync, readSync, statSync } from "node:fs";
import { basename, join } from "node:path";

/** Maximum number of bytes that are read from a file. The longest of these files is /proc/net/tcp of a busy server. */
const MAX_BYTES = 1 << 23;
/** Number of bytes that one read requests. For most files in /proc the kernel returns a page or less. */
const PIECE = 1 << 16;

/** Root directories of the machine's files. Tests pass directories of their own. */
export interface Roots {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
  /** Root of all other files: settings and programs. */
  readonly root: string;
}

const THIS_MACHINE: Roots = { sys: "/sys", proc: "/proc", dev: "/dev", root: "/" };

/** Paths of one machine's files. */
export class Files {
  readonly sys: string;
  readonly proc: string;
  readonly dev: string;
  readonly root: string;

  constructor(roots: Partial<Roots> = {}) {
    const { sys, proc, dev, root } = { ...THIS_MACHINE, ...roots };
    this.sys = sys;
    this.proc = proc;
    this.dev = dev;
    this.root = root;
  }

  /** Folder of a PCI function. */
  device(address: string): string {
    return join(this.sys, "bus/pci/devices", address);
  }

  driver(name: string): string {
    return join(this.sys, "bus/pci/drivers", name);
  }
}

/** Returns the result of `attempt`; undefined if it throws. */
const tried = <T>(attempt: () => T): T | undefined => {
  try {
    return attempt();
  } catch {
    return undefined;
  }
};

/**
 * Reads a file up to its end, but at most `maxBytes` bytes.
 * @param at position of the first byte; default: the file's present position
 */
export const bytesOf = (path: string, maxBytes = MAX_BYTES, at?: number): Uint8Array | undefined =>
  tried(() => {
    // With O_NONBLOCK, opening a pipe cannot block.
    const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const pieces: Uint8Array[] = [];
      for (let read = 0; read < maxBytes;) {
        const piece = new Uint8Array(Math.min(PIECE, maxBytes - read));
        const length = readSync(file, piece, 0, piece.length, at === undefined ? null : at + read);
        if (length === 0) break;
        pieces.push(piece.subarray(0, length));
        read += length;
      }
      return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    } finally {
      closeSync(file);
    }
  });

/** A file's text, trimmed. */
export const textOf = (path: string): string | undefined => {
  const bytes = bytesOf(path);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes).trim();
};

/** Reads a number as sysfs writes it: decimal, or hexadecimal with 0x. */
export const numberOf = (path: string): number | undefined => {
  const text = textOf(path) ?? "";
  return /^(0x[0-9a-f]{1,8}|-?\d{1,10})$/i.test(text) ? Number(text) : undefined;
};

/** The names in a folder, sorted. */
export const namesIn = (path: string): readonly string[] => (tried(() => readdirSync(path)) ?? []).sort();

/** The last part of a symbolic link's target. */
export const linkOf = (path: string): string | undefined => tried(() => basename(readlinkSync(path)));

export const exists = (path: string): boolean => tried(() => statSync(path, { throwIfNoEntry: false })) !== undefined;
