/** Converts messages between bytes and records, without a socket or a device. */
import { COMMAND, ERROR, FLAGS, HEADER_BYTES, ID, SIZE } from "./protocol.ts";

const GIB4 = 2 ** 32;

export const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);

/** Reads 32 bits as an unsigned number. */
export const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

/**
 * Returns `Infinity` for 2^53 and above. `Infinity` fails every range check, so such numbers are rejected instead of
 * rounded.
 */
export const u64 = (bytes: Uint8Array, at: number): number => {
  const high = u32(bytes, at + 4);
  return high >= 2 ** 21 ? Infinity : high * GIB4 + u32(bytes, at);
};

export const put16 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
};

export const put32 = (bytes: Uint8Array, at: number, value: number): void => {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
};

/** @param value an integer below 2^53 */
export const put64 = (bytes: Uint8Array, at: number, value: number): void => {
  put32(bytes, at, value % GIB4);
  put32(bytes, at + 4, Math.floor(value / GIB4));
};

export interface Header {
  readonly id: number;
  readonly command: number;
  /** Number of bytes in the message, including the header. */
  readonly size: number;
  readonly flags: number;
  readonly error: number;
}

export const readHeader = (bytes: Uint8Array, at: number): Header => ({
  id: u16(bytes, at + ID),
  command: u16(bytes, at + COMMAND),
  size: u32(bytes, at + SIZE),
  flags: u32(bytes, at + FLAGS),
  error: u32(bytes, at + ERROR),
});

export const putHeader = (
  bytes: Uint8Array,
  at: number,
  id: number,
  command: number,
  size: number,
  flags: number,
  error: number,
): void => {
  put16(bytes, at + ID, id);
  put16(bytes, at + COMMAND, command);
  put32(bytes, at + SIZE, size);
  put32(bytes, at + FLAGS, flags);
  put32(bytes, at + ERROR, error);
};

/** Size of each kind of field. */
const BYTES = { u16: 2, u32: 4, u64: 8 } as const;
type Kind = keyof typeof BYTES;
const GET = { u16, u32, u64 } as const;
const PUT = { u16: put16, u32: put32, u64: put64 } as const;

/** The fixed part of a message after its header, the same in request and reply. */
export interface Layout<T extends Readonly<Record<string, Kind>>> {
  readonly bytes: number;
  /** Reads the fields that follow the header of the message at `at`. The message must be long enough. */
  read(bytes: Uint8Array, at: number): { readonly [K in keyof T]: number };
  write(bytes: Uint8Array, at: number, values: { readonly [K in keyof T]: number }): void;
}

const layout = <const T extends Readonly<Record<string, Kind>>>(fields: T): Layout<T> => {
  const places: { name: keyof T; kind: Kind; offset: number }[] = [];
  let length = 0;
  for (const [name, kind] of Object.entries(fields)) {
    places.push({ name, kind, offset: HEADER_BYTES + length });
    length += BYTES[kind];
  }
  return {
    bytes: length,
    read: (bytes, at) =>
      Object.fromEntries(places.map(({ name, kind, offset }) => [name, GET[kind](bytes, at + offset)])) as {
        readonly [K in keyof T]: number;
      },
    write: (bytes, at, values) => {
      for (const { name, kind, offset } of places) PUT[kind](bytes, at + offset, values[name]);
    },
  };
};

/** After this part the message has capabilities: JSON text with a NUL at the end. */
export const VERSION = layout({ major: "u16", minor: "u16" });
export const DMA_MAP = layout({ argsz: "u32", flags: "u32", offset: "u64", address: "u64", size: "u64" });
export const DMA_UNMAP = layout({ argsz: "u32", flags: "u32", address: "u64", size: "u64" });
export const DEVICE_INFO = layout({ argsz: "u32", flags: "u32", regions: "u32", irqs: "u32" });
export const REGION_INFO = layout({
  argsz: "u32",
  flags: "u32",
  index: "u32",
  capabilities: "u32",
  size: "u64",
  offset: "u64",
});
export const REGION_IO_FDS = layout({ argsz: "u32", flags: "u32", index: "u32", count: "u32" });
export const IRQ_INFO = layout({ argsz: "u32", flags: "u32", index: "u32", count: "u32" });
/** After this part the message has a byte for each interrupt, if the flags say so. */
export const IRQ_SET = layout({ argsz: "u32", flags: "u32", index: "u32", start: "u32", count: "u32" });
/** After this part the message has data. */
export const REGION_ACCESS = layout({ offset: "u64", region: "u32", count: "u32" });
/** After this part the message has data. */
export const DMA_ACCESS = layout({ address: "u64", count: "u64" });
