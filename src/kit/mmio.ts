/**
 * Registers as branded offsets, and the window in which they are accessed. A method's name gives the width, and the
 * register's type decides what is allowed. At run time a register is a plain number.
 */
import type { BusAddress } from "./dma.ts";
import { OutOfRange, OutOfWindow, Revoked, Sleeping } from "./errors.ts";

declare const shape: unique symbol;
declare const owner: unique symbol;

/**
 * `ro`: read; `wo`: write; `rw`: both; `w1c`: a read returns events, and a write clears the events whose bits are
 * written as 1. `low` and `high`: registers for the two halves of a bus address; `half`: a register for one half.
 */
export type Access = "ro" | "wo" | "rw" | "w1c" | "low" | "high" | "half";
export type Width = 8 | 16 | 32;

/**
 * A register's byte offset in its window. Only `ro8(…)` and similar functions create one. `B` is the name of its bits;
 * a register without that name has no named bits.
 */
export type Register<W extends Width, A extends Access, B extends string = string> = number & {
  readonly [shape]: readonly [W, A];
  readonly [owner]: B;
};

/** A bit or field of the registers whose bits are named `B`. */
export type Bit<B extends string> = number & { readonly [owner]: B };

/** Values accepted by a register: its own bits, and plain numbers (the result of `|`), but no other register's bits. */
export type BitsOf<B extends string> = number & { readonly [owner]?: B };

/** Gives bits the name of their registers: only registers created with this name accept the bits. */
export const bits = <B extends string, T extends Readonly<Record<string, number>>>(
  _name: B,
  all: T,
): { readonly [K in keyof T]: Bit<B> } => all as unknown as { readonly [K in keyof T]: Bit<B> };

/**
 * @throws {OutOfRange} unless the offset is 0 or a positive multiple of the register's width. The check runs when the
 * register is defined, not at each access.
 */
const register =
  <W extends Width, A extends Access>(width: W) =>
  <B extends string = "">(offset: number, _bits?: B): Register<W, A, B> => {
    if (!Number.isInteger(offset) || offset < 0 || offset % (width / 8) !== 0)
      throw new OutOfRange(`no ${width}-bit register can be at offset ${offset}`);
    return offset as Register<W, A, B>;
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
export const low32 = register<32, "low">(32);
export const high32 = register<32, "high">(32);
export const half32 = register<32, "half">(32);

type Readable = Exclude<Access, "wo">;
type Writable = "wo" | "rw";

/** How a bus accesses registers. The caller has already checked offsets against the window. */
export interface RegisterBus {
  /** Length of the window in bytes. */
  readonly length: number;
  /** Reads in exactly one access of the given width (bytes). The result is unsigned. */
  read(offset: number, width: 1 | 2 | 4): number;
  write(offset: number, width: 1 | 2 | 4, value: number): void;
}

/**
 * A window of device registers. An access outside the window throws `OutOfWindow`, without effect.
 *
 * Invariants: each access is inside the window and has the register's own width; there is no read-modify-write of a
 * write-1-to-clear register.
 */
export class Mmio {
  readonly #bus: RegisterBus;
  #length: number;
  #revoked: string | undefined;
  #asleep: string | undefined;

  constructor(bus: RegisterBus) {
    this.#bus = bus;
    this.#length = bus.length;
  }

  /** Length of the window in bytes; 0 once it is revoked, and while the function sleeps. */
  get length(): number {
    return this.#length;
  }

  /**
   * Makes each later access throw `Revoked`, because the device is gone or was unbound. `what` names the window in the
   * error.
   */
  revoke(what: string): void {
    this.#revoked = what;
    // Every access fails the bounds check of an empty window, so revocation needs no check of its own.
    this.#length = 0;
  }

  /** Makes each access throw `Sleeping` until `resume`, because the registers of a sleeping function do not respond. */
  suspend(what: string): void {
    this.#asleep = what;
    this.#length = 0;
  }

  resume(): void {
    this.#asleep = undefined;
    if (this.#revoked === undefined) this.#length = this.#bus.length;
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
  write8<B extends string>(r: Register<8, Writable, B>, value: BitsOf<NoInfer<B>>): void {
    this.#check(r, 1);
    this.#bus.write(r, 1, value & 0xff);
  }
  write16<B extends string>(r: Register<16, Writable, B>, value: BitsOf<NoInfer<B>>): void {
    this.#check(r, 2);
    this.#bus.write(r, 2, value & 0xffff);
  }
  write32<B extends string>(r: Register<32, Writable, B>, value: BitsOf<NoInfer<B>>): void {
    this.#check(r, 4);
    this.#bus.write(r, 4, value >>> 0);
  }
  /**
   * Writes the low half of a bus address, with `command` in the low bits that are free because the address is
   * aligned. The register accepts no other values.
   */
  writeLow<B extends string>(
    r: Register<32, "low" | "half", B>,
    address: BusAddress,
    command: BitsOf<NoInfer<B>> = 0,
  ): void {
    this.#check(r, 4);
    this.#bus.write(r, 4, (address | command) >>> 0);
  }
  writeHigh(r: Register<32, "high" | "half">, address: BusAddress): void {
    this.#check(r, 4);
    this.#bus.write(r, 4, Math.floor(address / 2 ** 32));
  }
  /** Clears the given events: the only way to write a write-1-to-clear register. */
  acknowledge8<B extends string>(r: Register<8, "w1c", B>, events: BitsOf<NoInfer<B>>): void {
    this.#check(r, 1);
    this.#bus.write(r, 1, events & 0xff);
  }
  acknowledge16<B extends string>(r: Register<16, "w1c", B>, events: BitsOf<NoInfer<B>>): void {
    this.#check(r, 2);
    this.#bus.write(r, 2, events & 0xffff);
  }
  acknowledge32<B extends string>(r: Register<32, "w1c", B>, events: BitsOf<NoInfer<B>>): void {
    this.#check(r, 4);
    this.#bus.write(r, 4, events >>> 0);
  }
  /** Reads the register, clears the bits of `clear`, then sets those of `set`, and writes the result. */
  update8<B extends string>(r: Register<8, "rw", B>, clear: BitsOf<NoInfer<B>>, set: BitsOf<NoInfer<B>>): void {
    this.write8(r, (this.read8(r) & ~clear) | set);
  }
  update16<B extends string>(r: Register<16, "rw", B>, clear: BitsOf<NoInfer<B>>, set: BitsOf<NoInfer<B>>): void {
    this.write16(r, (this.read16(r) & ~clear) | set);
  }
  update32<B extends string>(r: Register<32, "rw", B>, clear: BitsOf<NoInfer<B>>, set: BitsOf<NoInfer<B>>): void {
    this.write32(r, (this.read32(r) & ~clear) | set);
  }

  #check(offset: number, width: number): void {
    if (offset < 0 || offset + width > this.#length) this.#refuse(offset, width);
  }

  #refuse(offset: number, width: number): never {
    if (this.#revoked !== undefined) throw new Revoked(this.#revoked);
    if (this.#asleep !== undefined) throw new Sleeping(this.#asleep);
    throw new OutOfWindow({ what: "register window", offset, width, length: this.#length });
  }
}
