/**
 * Registers as branded offsets, and the window they are read and written through.
 *
 * Width is in the method, access is in the type, and both vanish at run time: a register is a plain number.
 */
import { OutOfRange, OutOfWindow, Revoked } from "./errors.ts";

declare const shape: unique symbol;

/** `ro` read, `wo` write, `rw` both, `w1c` reads events and clears those written as one. */
export type Access = "ro" | "wo" | "rw" | "w1c";
export type Width = 8 | 16 | 32;

/** A register's byte offset in its window. Only `ro8(…)` and its siblings make one. */
export type Register<W extends Width, A extends Access> = number & { readonly [shape]: readonly [W, A] };

/** @throws {OutOfRange} unless the offset is naturally aligned, as PCI wants an access to be. Runs once a register, at load. */
const register =
  <W extends Width, A extends Access>(bits: W) =>
  (offset: number): Register<W, A> => {
    if (!Number.isInteger(offset) || offset < 0 || offset % (bits / 8) !== 0)
      throw new OutOfRange(`no ${bits}-bit register can be at offset ${offset}`);
    return offset as Register<W, A>;
  };

export const ro8 = register<8, "ro">(8);
export const ro16 = register<16, "ro">(16);
export const ro32 = register<32, "ro">(32);
export const wo8 = register<8, "wo">(8);
export const wo16 = register<16, "wo">(16);
export const wo32 = register<32, "wo">(32);
export const rw8 = register<8, "rw">(8);
export const rw16 = register<16, "rw">(16);
export const rw32 = register<32, "rw">(32);
export const w1c8 = register<8, "w1c">(8);
export const w1c16 = register<16, "w1c">(16);
export const w1c32 = register<32, "w1c">(32);

type Readable = "ro" | "rw" | "w1c";
type Writable = "wo" | "rw";

/** How a bus reaches registers. Offsets are already known to lie inside the window. */
export interface RegisterBus {
  /** Bytes in the window. */
  readonly length: number;
  /** Exactly one access of the given width (bytes). The result is unsigned. */
  read(offset: number, width: 1 | 2 | 4): number;
  write(offset: number, width: 1 | 2 | 4, value: number): void;
}

/**
 * A window of device registers.
 *
 * Invariants: every access lies inside the window and has the register's own width; a register that clears on writing
 * one is never read, changed and written back.
 */
export class Mmio {
  readonly #bus: RegisterBus;
  #length: number;
  #revoked: string | undefined;

  constructor(bus: RegisterBus) {
    this.#bus = bus;
    this.#length = bus.length;
  }

  /** Bytes in the window; 0 once it is revoked. */
  get length(): number {
    return this.#length;
  }

  /** The device, named `what`, has gone or was unbound: from now on every access throws `Revoked`. */
  revoke(what: string): void {
    this.#revoked = what;
    // An empty window fails the bounds check, so a live one pays nothing for being revocable.
    this.#length = 0;
  }

  read8(r: Register<8, Readable>): number {
    this.#check(r, 1);
    return this.#bus.read(r, 1);
  }
  read16(r: Register<16, Readable>): number {
    this.#check(r, 2);
    return this.#bus.read(r, 2);
  }
  read32(r: Register<32, Readable>): number {
    this.#check(r, 4);
    return this.#bus.read(r, 4);
  }
  write8(r: Register<8, Writable>, value: number): void {
    this.#check(r, 1);
    this.#bus.write(r, 1, value & 0xff);
  }
  write16(r: Register<16, Writable>, value: number): void {
    this.#check(r, 2);
    this.#bus.write(r, 2, value & 0xffff);
  }
  write32(r: Register<32, Writable>, value: number): void {
    this.#check(r, 4);
    this.#bus.write(r, 4, value >>> 0);
  }
  /** Clears the given events: the only way to write a register that clears on writing one. */
  acknowledge16(r: Register<16, "w1c">, events: number): void {
    this.#check(r, 2);
    this.#bus.write(r, 2, events & 0xffff);
  }
  acknowledge32(r: Register<32, "w1c">, events: number): void {
    this.#check(r, 4);
    this.#bus.write(r, 4, events >>> 0);
  }
  /** Read, clear some bits, set some, write. */
  update8(r: Register<8, "rw">, clear: number, set: number): void {
    this.write8(r, (this.read8(r) & ~clear) | set);
  }
  update16(r: Register<16, "rw">, clear: number, set: number): void {
    this.write16(r, (this.read16(r) & ~clear) | set);
  }
  update32(r: Register<32, "rw">, clear: number, set: number): void {
    this.write32(r, (this.read32(r) & ~clear) | set);
  }

  #check(offset: number, width: number): void {
    if (offset < 0 || offset + width > this.#length) this.#refuse(offset, width);
  }

  #refuse(offset: number, width: number): never {
    if (this.#revoked !== undefined) throw new Revoked(this.#revoked);
    throw new OutOfWindow({ what: "register window", offset, width, length: this.#length });
  }
}
