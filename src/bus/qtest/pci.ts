/**
 * PCI enumeration as firmware does it: finds a function, assigns addresses to its base address registers, and finds out
 * its interrupt pin.
 *
 * Sources: PCI 3.0, 3.2.2.3.2 (configuration mechanism) and 6.2.5.1 (sizing); Intel ICH9 datasheet, 5.8 and 10.1
 * (routing).
 */
import { type PciId, type PciMatch, matches } from "#kit/device.ts";
import { Mmio, type RegisterBus, ro8, rw32 } from "#kit/mmio.ts";
import { BAR_64, BAR_AT, BAR_IO, BARS, identity } from "../window.ts";
import type { QtestConnection } from "./connection.ts";
import { NoSuchFunction } from "./errors.ts";
import { readPort, writePort } from "./protocol.ts";

const CONFIG_ADDRESS = 0xcf8;
const CONFIG_DATA = 0xcfc;
const ENABLE = 0x8000_0000;
const CONFIG_BYTES = 256;
const SLOTS = 32;

const INTERRUPT_PIN = 0x3d;

/** Free addresses of a q35 machine: between the part of RAM below 4 GiB and the interrupt controllers. */
const MEMORY_AT = 0xe000_0000;
/** I/O ports from here on are unused. */
const PORTS_AT = 0xc000;

/** Slots up to this one are connected to the pins PIRQE to PIRQH in rotation. */
const LAST_WIRED_SLOT = 24;
/** PIRQE to PIRQH are pins 20 to 23 of the I/O APIC. */
const PIRQ_E = 20;

export interface PciFunction {
  readonly slot: number;
  readonly config: RegisterBus;
  readonly id: PciId;
}

/** Configuration space of function 0 in a slot of bus 0. */
const configOf = (connection: QtestConnection, slot: number): RegisterBus => {
  const select = (offset: number): number => {
    connection.ask(writePort(CONFIG_ADDRESS, 4, (ENABLE | (slot << 11) | (offset & ~3)) >>> 0));
    return CONFIG_DATA + (offset & 3);
  };
  return {
    length: CONFIG_BYTES,
    read: (offset, width) => connection.askNumber(readPort(select(offset), width), width),
    write: (offset, width, value) => void connection.ask(writePort(select(offset), width, value)),
  };
};

const hex4 = (value: number): string => value.toString(16).padStart(4, "0");

/**
 * The first function on bus 0 that matches one of `ids`; only function 0 of each slot is examined. @throws
 * {NoSuchFunction}
 */
export const findFunction = (connection: QtestConnection, name: string, ids: readonly PciMatch[]): PciFunction => {
  const found: string[] = [];
  for (let slot = 0; slot < SLOTS; slot++) {
    const config = configOf(connection, slot);
    if (config.read(0, 2) === 0xffff) continue;
    const id = identity(new Mmio(config));
    if (ids.some((row) => matches(row, id))) return { slot, config, id };
    found.push(`${hex4(id.vendor)}:${hex4(id.device)}`);
  }
  throw new NoSuchFunction(name, `${found.length === 0 ? "nothing is" : `${found.join(", ")} are`} there`);
};

/** A range of addresses, allocated in order. */
class Range {
  #next: number;
  constructor(from: number) {
    this.#next = from;
  }
  /** Allocates `bytes`, a power of two, naturally aligned. */
  take(bytes: number): number {
    const at = Math.ceil(this.#next / bytes) * bytes;
    this.#next = at + bytes;
    return at;
  }
}

export interface Window {
  readonly address: number;
  readonly bytes: number;
}

/**
 * Assigns addresses to each base address register (BAR), and returns where the device's registers are.
 * @param wanted the BAR with the registers; default: the first memory BAR
 * @throws {NoSuchFunction}
 */
export const assignWindows = (config: Mmio, name: string, wanted?: number): Window => {
  const memory = new Range(MEMORY_AT);
  const ports = new Range(PORTS_AT);
  let found: Window | undefined;
  for (let bar = 0; bar < BARS; bar++) {
    const register = rw32(BAR_AT + 4 * bar);
    config.write32(register, 0xffff_ffff);
    const mask = config.read32(register);
    const inPorts = (mask & BAR_IO) !== 0;
    const bytes = size(mask & (inPorts ? ~3 : ~15));
    const address = bytes === 0 ? 0 : (inPorts ? ports : memory).take(bytes);
    config.write32(register, address);
    if (!inPorts && bytes > 0 && (wanted ?? bar) === bar) found ??= { address, bytes };
    // The high half of a 64-bit BAR is the next BAR.
    if (!inPorts && (mask & BAR_64) !== 0) config.write32(rw32(BAR_AT + 4 * ++bar), 0);
  }
  const where = wanted === undefined ? "" : ` at BAR ${wanted}`;
  if (found === undefined) throw new NoSuchFunction(name, `a function without registers in memory${where}`);
  return found;
};

/** Number of bytes in the window: the value of the lowest writable bit; 0 if no bit is writable. */
const size = (mask: number): number => (mask & -mask) >>> 0;

/** The pin of the I/O APIC for a function's interrupt; undefined if it has no known pin. */
export const interruptPin = (config: Mmio, slot: number): number | undefined => {
  const pin = config.read8(ro8(INTERRUPT_PIN));
  if (pin < 1 || pin > 4 || slot > LAST_WIRED_SLOT) return undefined;
  return PIRQ_E + ((slot + pin - 1) & 3);
};
