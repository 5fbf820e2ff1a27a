/**
 * QEMU's qtest protocol: lines of text. The reply to each request is one line; lines about interrupts arrive at any
 * time.
 *
 * Source: the protocol's description in QEMU, `docs/devel/qtest` and `softmmu/qtest.c`.
 */

/** A line from QEMU. */
export type Message =
  /** The request was executed; `text` is its result. */
  | { readonly kind: "ok"; readonly text: string }
  /** A pin of the intercepted interrupt controller has changed. */
  | { readonly kind: "irq"; readonly pin: number; readonly raised: boolean }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "nonsense" };

/** QEMU's MAX_IRQ. */
const PINS = 256;
const IRQ = /^IRQ (raise|lower) (\d{1,3})$/;
const REFUSED = /^(?:FAIL|ERR)(?: (.*))?$/;
const INVALID: Message = { kind: "nonsense" };

/** Parses a line, without its line feed. */
export const parseLine = (line: string): Message => {
  if (line === "OK") return { kind: "ok", text: "" };
  if (line.startsWith("OK ")) return { kind: "ok", text: line.slice(3) };
  const [, change, pin] = IRQ.exec(line) ?? [];
  if (pin !== undefined)
    return Number(pin) < PINS ? { kind: "irq", pin: Number(pin), raised: change === "raise" } : INVALID;
  const refused = REFUSED.exec(line);
  return refused === null ? INVALID : { kind: "refused", why: refused[1] ?? "no reason given" };
};

/** The number in a reply; undefined if it is not a number or does not fit into `bytes` bytes. */
export const parseValue = (text: string, bytes: 1 | 2 | 4): number | undefined => {
  if (!/^0x[0-9a-f]{1,16}$/.test(text)) return undefined;
  const value = Number.parseInt(text, 16);
  return value < 2 ** (8 * bytes) ? value : undefined;
};

/** QEMU's own letters for widths. */
const SIZE = { 1: "b", 2: "w", 4: "l" } as const;
const hex = (value: number): string => `0x${value.toString(16)}`;

/** Returns the request that reads memory as the processor sees it, including device registers. */
export const readMemory = (address: number, bytes: 1 | 2 | 4): string => `read${SIZE[bytes]} ${hex(address)}`;
export const writeMemory = (address: number, bytes: 1 | 2 | 4, value: number): string =>
  `write${SIZE[bytes]} ${hex(address)} ${hex(value)}`;
/** Returns the request that reads an I/O port. */
export const readPort = (port: number, bytes: 1 | 2 | 4): string => `in${SIZE[bytes]} ${hex(port)}`;
export const writePort = (port: number, bytes: 1 | 2 | 4, value: number): string =>
  `out${SIZE[bytes]} ${hex(port)} ${hex(value)}`;
/** Returns the request after which QEMU reports changes at the pins of an interrupt controller. */
export const interceptPins = (controller: string): string => `irq_intercept_in ${controller}`;
/** Asks for the byte order; the reply of the supported machines is `little`. */
export const ENDIANNESS = "endianness";

/** Maximum length of a line from QEMU, in bytes. */
const MAX_LINE = 4096;

/** Assembles lines from parts of a stream. */
export class Lines {
  #rest = "";
  #ready: string[] = [];

  /** Adds the next bytes. Returns false if a line exceeds the limit. */
  push(bytes: Uint8Array): boolean {
    const parts = (this.#rest + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")).split(
      "\n",
    );
    this.#rest = parts.pop()!;
    this.#ready.push(...parts);
    return this.#rest.length <= MAX_LINE && parts.every((line) => line.length <= MAX_LINE);
  }

  /** Removes and returns the next complete line; undefined if there is none yet. */
  next(): string | undefined {
    return this.#ready.shift();
  }
}
