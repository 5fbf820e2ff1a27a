/** The capabilities that both ends exchange with VERSION: JSON text with a NUL at the end. */
import { MAX_DATA, MAX_FDS, MAX_MAPS, PAGE } from "./protocol.ts";

/** This end's capabilities, most important first: a client with little room for the reply gets only the first ones. */
const OURS: readonly (readonly [name: string, value: number | boolean])[] = [
  ["max_data_xfer_size", MAX_DATA],
  ["max_msg_fds", MAX_FDS],
  ["write_multiple", true],
  ["max_dma_maps", MAX_MAPS],
  ["pgsizes", PAGE],
];

/** The protocol's default value of `max_data_xfer_size`. */
const DEFAULT_DATA = 1 << 20;

export interface Capabilities {
  /** Maximum number of data bytes in a message, as stated by the other end. */
  readonly maxData: number;
  /** The other end accepts several register writes in one message. */
  readonly writeMultiple: boolean;
}

const DEFAULTS: Capabilities = { maxData: DEFAULT_DATA, writeMultiple: false };

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Parses the other end's text, including its NUL; an empty text gives the defaults. Undefined for invalid text. Unknown
 * capabilities are ignored, as the specification requires.
 */
export const parseCapabilities = (bytes: Uint8Array): Capabilities | undefined => {
  if (bytes.length === 0) return DEFAULTS;
  if (bytes.at(-1) !== 0) return undefined;
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, -1)));
  } catch {
    return undefined;
  }
  if (!isRecord(parsed)) return undefined;
  const capabilities = parsed["capabilities"] ?? {};
  if (!isRecord(capabilities)) return undefined;
  const { max_data_xfer_size: maxData = DEFAULT_DATA, write_multiple: writeMultiple = false } = capabilities;
  if (typeof maxData !== "number" || !Number.isSafeInteger(maxData) || maxData <= 0) return undefined;
  return typeof writeMultiple === "boolean" ? { maxData, writeMultiple } : undefined;
};

/** This end's text, of at most `room` bytes; empty if there is no room. */
export const ourCapabilities = (room = Infinity): Uint8Array => {
  for (let n = OURS.length; n >= 0; n--) {
    const capabilities = Object.fromEntries(OURS.slice(0, n));
    const text = new TextEncoder().encode(`${JSON.stringify({ capabilities })}\0`);
    if (text.length <= room) return text;
  }
  return new Uint8Array(0);
};
