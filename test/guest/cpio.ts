/** cpio archives in "newc" format, for the initial RAM file system and for the files that a guest returns. */

/** A regular file of an archive. Its parent directories are created automatically. */
export interface Packed {
  /** Path from the root, without a leading slash. */
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly executable?: boolean;
}

const MAGIC = "070701";
const HEADER = 110;
const WELL_FORMED = /^070701[0-9a-f]{104}$/i;
const TRAILER = "TRAILER!!!";
const FILE = 0o100_000;
const DIRECTORY = 0o040_000;
/** Positions of the used fields among the thirteen fields of eight digits after the magic. */
const MODE = 1;
const SIZE = 6;
const NAME_SIZE = 11;
const FIELDS = 13;

const aligned = (length: number): number => (length + 3) & ~3;
const padding = (length: number): Uint8Array => new Uint8Array(aligned(length) - length);

const record = (path: string, mode: number, bytes: Uint8Array): Uint8Array[] => {
  const fields = Array.from<number>({ length: FIELDS }).fill(0);
  fields[MODE] = mode;
  fields[SIZE] = bytes.length;
  fields[NAME_SIZE] = Buffer.byteLength(path) + 1;
  const digits = fields.map((field) => field.toString(16).padStart(8, "0")).join("");
  const head = Buffer.from(`${MAGIC}${digits}${path}\0`);
  return [head, padding(head.length), bytes, padding(bytes.length)];
};

/** Archives may be concatenated: Linux unpacks one after the other. */
export const pack = (files: Iterable<Packed>): Buffer => {
  const parts: Uint8Array[] = [];
  const made = new Set<string>();
  for (const { path, bytes, executable = false } of files) {
    const names = path.split("/");
    for (let depth = 1; depth < names.length; depth++) {
      const folder = names.slice(0, depth).join("/");
      if (!made.has(folder)) parts.push(...record(folder, DIRECTORY | 0o755, new Uint8Array()));
      made.add(folder);
    }
    parts.push(...record(path, FILE | (executable ? 0o755 : 0o644), bytes));
  }
  parts.push(...record(TRAILER, 0, new Uint8Array()));
  return Buffer.concat(parts);
};

/** The regular files of an archive, by path. @throws {Error} if it is truncated */
export const unpack = (archive: Buffer): ReadonlyMap<string, Uint8Array> => {
  const files = new Map<string, Uint8Array>();
  for (let at = 0; ;) {
    const header = archive.toString("latin1", at, at + HEADER);
    if (!WELL_FORMED.test(header)) throw new Error(`the archive of ${archive.length} bytes is truncated at byte ${at}`);
    const field = (index: number): number => Number.parseInt(header.slice(6 + 8 * index, 14 + 8 * index), 16);
    const name = at + HEADER;
    const data = at + aligned(HEADER + field(NAME_SIZE));
    const end = data + field(SIZE);
    if (end > archive.length) throw new Error(`the archive of ${archive.length} bytes ends inside a file`);
    const path = archive.toString("utf8", name, name + field(NAME_SIZE) - 1);
    if (path === TRAILER) return files;
    if ((field(MODE) & 0o170_000) === FILE) files.set(path, archive.subarray(data, end));
    at = aligned(end);
  }
};
