/** The register file: byte lanes, writable bits, the configuration lock, and side effects. */
import { Cfg9346, Lock } from "#chip/registers.ts";
import type { EffectFunction, Effects } from "./effects.ts";
import type { RegisterRow } from "./layer.ts";
import { type AccessWidth, ones, type Page } from "./page.ts";
import type { Words } from "../observation/state.ts";
import type { Offences } from "../observation/strict.ts";

/**
 * Length in bytes of the datasheets' register table. Reading reserved bytes in this table is no offence, because
 * register dumps read them.
 */
const TABLE_BYTES = 256;

interface Cell {
  readonly name: string;
  readonly offset: number;
  readonly bytes: 1 | 2 | 4;
  readonly reset: number;
  readonly writable: number;
  readonly softReset: boolean;
  readonly locked: boolean;
  readonly onWrite: EffectFunction | undefined;
  readonly onRead: EffectFunction | undefined;
}

const cellOf = (row: RegisterRow, effects: Effects): Cell => ({
  name: row.name,
  offset: row.offset,
  bytes: (row.width / 8) as Cell["bytes"],
  reset: row.reset,
  writable: row.writable,
  softReset: row.softReset ?? false,
  locked: row.locked ?? false,
  onWrite: row.onWrite && effects[row.onWrite],
  onRead: row.onRead && effects[row.onRead],
});

/**
 * The chip's registers as a guest reads and writes them.
 *
 * An access affects only its own bytes, as on PCI: a narrow write changes its byte lanes, and a wide one is divided
 * among the registers that it covers, in order of their offsets. Bytes without a register read as 0, because the chip
 * completes each read of its own window; a bus returns ones only if no chip responds. (Dumps of real chips have zeros
 * there, and a few values that no source explains.)
 *
 * Invariant: the page always holds what a read would return, except where a row has an `onRead`.
 */
export class RegisterFile {
  readonly #page: Page;
  readonly #offences: Offences;
  readonly #cells: readonly Cell[];
  /** Index of the cell at each byte of the window, or -1. */
  readonly #cellAt: Int16Array;
  /** For each offset, the widths in bytes of the registers that start there, combined as bits. */
  readonly #widths: Uint8Array;

  /** @param bytes length of the window, at most the page's */
  constructor(page: Page, offences: Offences, effects: Effects, rows: readonly RegisterRow[], bytes: number) {
    this.#page = page;
    this.#offences = offences;
    this.#cells = rows.filter((row) => !row.alias).map((row) => cellOf(row, effects));
    this.#cellAt = new Int16Array(bytes).fill(-1);
    this.#widths = new Uint8Array(bytes);
    for (const { offset, width } of rows) this.#widths[offset]! |= width / 8;
    this.#cells.forEach((cell, i) => this.#cellAt.fill(i, cell.offset, cell.offset + cell.bytes));
    this.#page.words.fill(0);
    this.powerOn();
  }

  /** Sets the values after power-on. */
  powerOn(): void {
    for (const cell of this.#cells) this.#page.put(cell.offset, cell.bytes, cell.reset);
  }

  /** Sets the registers that a software reset affects; others are preserved. */
  softReset(): void {
    for (const cell of this.#cells) if (cell.softReset) this.#page.put(cell.offset, cell.bytes, cell.reset);
  }

  /** The values by the registers' names. */
  get state(): Words {
    const values = this.#cells.map(({ name, offset, bytes }) => [name, this.#page.get(offset, bytes)] as const);
    return Object.fromEntries(values.filter(([, value]) => value !== 0));
  }

  /** Reads bytes, which must be inside the register window. */
  read(offset: number, width: AccessWidth): number {
    const end = Math.min(offset + width, this.#cellAt.length);
    let known = false;
    for (let at = offset; at < end;) {
      const index = this.#cellAt[at]!;
      if (index < 0) {
        at++;
        continue;
      }
      const cell = this.#cells[index]!;
      known = true;
      cell.onRead?.(0, 0, cell.offset);
      at = cell.offset + cell.bytes;
    }
    if (known) return this.#page.get(offset, width);
    if (offset >= TABLE_BYTES) this.#offences.commit("unknown", offset);
    return 0;
  }

  /** Writes bytes, which must be inside the register window. */
  write(offset: number, width: AccessWidth, value: number): void {
    const end = Math.min(offset + width, this.#cellAt.length);
    let known = false;
    for (let at = offset; at < end;) {
      const index = this.#cellAt[at]!;
      if (index < 0) {
        at++;
        continue;
      }
      const cell = this.#cells[index]!;
      if (!known && (this.#widths[offset]! & width) === 0) this.#offences.commit("width", offset);
      known = true;
      const to = Math.min(end, cell.offset + cell.bytes);
      const shift = 8 * (at - cell.offset);
      const lanes = (ones(4) >>> (32 - 8 * (to - at))) << shift;
      this.#store(cell, ((value >>> (8 * (at - offset))) << shift) & lanes, lanes);
      at = to;
    }
    if (!known) this.#offences.commit("unknown", offset);
  }

  get unlocked(): boolean {
    return (this.#page.get(Cfg9346, 1) & Lock.unlock) === Lock.unlock;
  }

  #store(cell: Cell, value: number, lanes: number): void {
    if (cell.locked && !this.unlocked) {
      this.#offences.commit("locked", cell.offset);
      return;
    }
    const writable = cell.writable & lanes;
    if (writable !== 0) {
      const old = this.#page.get(cell.offset, cell.bytes);
      this.#page.put(cell.offset, cell.bytes, (old & ~writable) | (value & writable));
    } else if (cell.onWrite === undefined && value !== 0) this.#offences.commit("readOnly", cell.offset);
    cell.onWrite?.(value, lanes, cell.offset);
  }
}
