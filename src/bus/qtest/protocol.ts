/**
 * QEMU's qtest protocol: lines of text. Each request is answered by one line; lines about interrupts come at any time.
 *
 * Source: the protocol's description in QEMU, `docs/devel/qtest` and `softmmu/qtest.c`.
 */

/** A line that QEMU sent. */
export type Message =
  /** What was asked for is done; `text` is what was asked for. */
  | { readonly kind: "ok"; readonly text: string }
  /** A pin of the intercepted interrupt controller has changed. */
  | { readonly kind: "irq"; readonly pin: number; readonly raised: boolean }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "nonsense" };

/** QEMU's MAX_IRQ. */
const PINS = 256;
const IRQ = /^IRQ (raise|lower) (\d{1,3})$/;
const REFUSED = /^(?:FAIL|ERR)(?: (.*))?$/;
const NONSENSE: Message = { kind: "nonsense" };

/** Takes a line apart, without its line feed. */
export const parseLine = (line: string): Message => {
  if (line === "OK") return { kind: "ok", text: "" };
  if (line.startsWith("OK ")) return { kind: "ok", text: line.slice(3) };
  const [, change, pin] = IRQ.exec(line) ?? [];
  if (pin !== undefined)
    return Number(pin) < PINS ? { kind: "irq", pin: Number(pin), raised: change === "raise" } : NONSENSE;
  const refused = REFUSED.exec(line);
  return refused === null ? NONSENSE : { kind: "refused", why: refused[1] ?? "no reason given" };
};

/** The number of `bytes` bytes that an answer is; undefined when it is none, or larger. */
export const parseValue = (text: string, bytes: 1 | 2 | 4): number | undefined => {
  if (!/^0x[0-9a-f]{1,16}$/.test(text)) return undefined;
  const value = Number.parseInt(text, 16);
  return value < 2 ** (8 * bytes) ? value : undefined;
};

/** QEMU's own letters for widths. */
const SIZE = { 1: "b", 2: "w", 4: "l" } as const;
const hex = (value: number): string => `0x${value.toString(16)}`;

/** Memory as the processor sees it, device registers among it. */
export const readMemory = (address: number, bytes: 1 | 2 | 4): string => `read${SIZE[bytes]} ${hex(address)}`;
export const writeMemory = (address: number, bytes: 1 | 2 | 4, value: number): string =>
  `write${SIZE[bytes]} ${hex(address)} ${hex(value)}`;
/** I/O ports. */
export const readPort = (port: number, bytes: 1 | 2 | 4): string => `in${SIZE[bytes]} ${hex(port)}`;
export const writePort = (port: number, bytes: 1 | 2 | 4, value: number): string =>
  `out${SIZE[bytes]} ${hex(port)} ${hex(value)}`;
/** Has the changes at the pins of an interrupt controller told. */
export const interceptPins = (controller: string): string => `irq_intercept_in ${controller}`;
/** Answered by `little` for the machines that we know. */
export const ENDIANNESS = "endianness";

/** QEMU answers none of our requests at greater length. */
const LONGEST_LINE = 4096;

/** Puts lines together out of pieces of a stream. */
export class Lines {
  #rest = "";
  #ready: string[] = [];

  /** Takes the next bytes. False when a line has become longer than any that QEMU sends. */
  push(bytes: Uint8Array): boolean {
    const parts = (this.#rest + Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")).split(
      "\n",
    );
    this.#rest = parts.pop()!;
    this.#ready.push(...parts);
    return this.#rest.length <= LONGEST_LINE && parts.every((line) => line.length <= LONGEST_LINE);
  }

  /** The next whole line; undefined when there is none yet. */
  next(): string | undefined {
    return this.#ready.shift();
  }
}
