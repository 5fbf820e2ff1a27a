/** The register file: byte lanes, writable bits, the configuration lock, and what a write sets off. */
import * as chip from "#chip/registers.ts";
import { behaviour, type Behaviour, type Effect, type RegisterName } from "./behaviour.ts";
import { type AccessWidth, ones, type Page, REGISTERS_END } from "./page.ts";
import type { Offences } from "./strict.ts";

/** Called with the value as written and the bits that were written, both in the register's own position. */
export type Effects = Readonly<Record<Effect, (value: number, lanes: number) => void>>;

interface Row {
  readonly offset: number;
  readonly bytes: 1 | 2 | 4;
  readonly reset: number;
  readonly writable: number;
  readonly softReset: boolean;
  readonly locked: boolean;
  readonly effect: ((value: number, lanes: number) => void) | undefined;
}

const OFFSETS: Readonly<Record<RegisterName, number>> = chip;
const NAMES = Object.keys(behaviour) as RegisterName[];

/**
 * The chip's registers as a guest reads and writes them.
 *
 * An access touches the bytes it names and no others, as on PCI: a narrow write changes its lanes, a wide one is spread
 * over the registers it covers, in ascending order. Bytes where the chip has no register read as ones.
 *
 * Invariant: the page always holds what a read would return, except where `READ_HAS_EFFECT` says otherwise.
 */
export class RegisterFile {
  readonly #page: Page;
  readonly #offences: Offences;
  readonly #rows: Row[] = [];
  /** Index of the row that each byte belongs to, or -1. */
  readonly #rowAt = new Int8Array(REGISTERS_END).fill(-1);
  /** Widths that some name of the map has at an offset, as a sum of their bytes. */
  readonly #widths = new Uint8Array(REGISTERS_END);
  /** TxConfig with the chip's identification. */
  readonly #identity: number;

  constructor(page: Page, offences: Offences, effects: Effects, xid: number) {
    this.#page = page;
    this.#offences = offences;
    this.#identity = xid << chip.TxConf.xidShift;
    for (const name of NAMES) {
      const spec: Behaviour = behaviour[name];
      const offset = OFFSETS[name];
      const bytes = (spec.width / 8) as Row["bytes"];
      this.#widths[offset]! |= bytes;
      if (spec.alias) continue;
      this.#rowAt.fill(this.#rows.length, offset, offset + bytes);
      this.#rows.push({
        offset,
        bytes,
        reset: offset === chip.TxConfig ? spec.reset | this.#identity : spec.reset,
        writable: spec.writable,
        softReset: spec.softReset ?? false,
        locked: spec.locked ?? false,
        effect: spec.onWrite === undefined ? undefined : effects[spec.onWrite],
      });
    }
    this.#page.words.fill(-1);
    this.powerOn();
  }

  /** Values as after power-on. */
  powerOn(): void {
    for (const row of this.#rows) this.#page.put(row.offset, row.bytes, row.reset);
  }

  /** Values that a software reset puts back; the rest stays. */
  softReset(): void {
    for (const row of this.#rows) if (row.softReset) this.#page.put(row.offset, row.bytes, row.reset);
  }

  /** The bytes must lie in the register window. */
  read(offset: number, width: AccessWidth): number {
    if (!this.#known(offset, width)) {
      this.#offences.commit("unknown", offset);
      return ones(width);
    }
    return this.#page.get(offset, width);
  }

  /** The bytes must lie in the register window. */
  write(offset: number, width: AccessWidth, value: number): void {
    if (!this.#known(offset, width)) {
      this.#offences.commit("unknown", offset);
      return;
    }
    if ((this.#widths[offset]! & width) === 0) this.#offences.commit("width", offset);
    const end = Math.min(offset + width, REGISTERS_END);
    for (let at = offset; at < end;) {
      const index = this.#rowAt[at]!;
      if (index < 0) {
        at++;
        continue;
      }
      const row = this.#rows[index]!;
      const to = Math.min(end, row.offset + row.bytes);
      const shift = 8 * (at - row.offset);
      const lanes = (ones(4) >>> (32 - 8 * (to - at))) << shift;
      this.#store(row, ((value >>> (8 * (at - offset))) << shift) & lanes, lanes);
      at = to;
    }
  }

  get unlocked(): boolean {
    return (this.#page.get(chip.Cfg9346, 1) & chip.Lock.unlock) === chip.Lock.unlock;
  }

  #store(row: Row, value: number, lanes: number): void {
    if (row.locked && !this.unlocked) {
      this.#offences.commit("locked", row.offset);
      return;
    }
    const writable = row.writable & lanes;
    if (writable !== 0) {
      const old = this.#page.get(row.offset, row.bytes);
      this.#page.put(row.offset, row.bytes, (old & ~writable) | (value & writable));
    } else if (row.effect === undefined) this.#offences.commit("readOnly", row.offset);
    row.effect?.(value, lanes);
  }

  #known(offset: number, width: AccessWidth): boolean {
    const end = Math.min(offset + width, REGISTERS_END);
    for (let at = offset; at < end; at++) if (this.#rowAt[at]! >= 0) return true;
    return false;
  }
}
