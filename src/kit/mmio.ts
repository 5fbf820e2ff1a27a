/**
 * Registers as branded offsets, and the window they are read and written through.
 *
 * Width is in the method, access is in the type, and both vanish at run time: a register is a plain number.
 */
import { OutOfWindow } from "./errors.ts";

declare const shape: unique symbol;

/** `ro` read, `wo` write, `rw` both, `w1c` reads events and clears those written as one. */
export type Access = "ro" | "wo" | "rw" | "w1c";
export type Width = 8 | 16 | 32;

/** A register's byte offset in its window. Only `ro8(…)` and its siblings make one. */
export type Register<W extends Width, A extends Access> = number & { readonly [shape]: readonly [W, A] };

const register =
  <W extends Width, A extends Access>() =>
  (offset: number): Register<W, A> =>
    offset as Register<W, A>;

export const ro8 = register<8, "ro">();
export const ro16 = register<16, "ro">();
export const ro32 = register<32, "ro">();
export const wo8 = register<8, "wo">();
export const wo16 = register<16, "wo">();
export const wo32 = register<32, "wo">();
export const rw8 = register<8, "rw">();
export const rw16 = register<16, "rw">();
export const rw32 = register<32, "rw">();
export const w1c16 = register<16, "w1c">();
export const w1c32 = register<32, "w1c">();

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
  readonly #length: number;

  constructor(bus: RegisterBus) {
    this.#bus = bus;
    this.#length = bus.length;
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
    if (offset < 0 || offset + width > this.#length)
      throw new OutOfWindow({ what: "register window", offset, width, length: this.#length });
  }
}
