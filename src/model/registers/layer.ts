/** Types for the behaviour of a register map: a register without a row, or with another width, does not compile. */
import type { Chip } from "#chip/chips.ts";
import type { RegisterBlock } from "#chip/profile.ts";
import type { Access, Register, Width } from "#kit/mmio.ts";
import type { Effect } from "./effects.ts";

/** One value for all chips, or a function of the chip. */
type PerChip<T> = T | ((chip: Chip) => T);

export interface Behaviour<W extends Width = Width> {
  /** Width in bits; the type ensures that it equals the width in the map. */
  readonly width: W;
  /** Value after power-on. */
  readonly reset: PerChip<number>;
  /** Bits that a guest can change. */
  readonly writable: PerChip<number>;
  /** A software reset (ChipCmd) also restores the reset value. If absent, only power-on and bus reset do. */
  readonly softReset?: true;
  /** Writes are ignored unless Cfg9346 is unlocked. */
  readonly locked?: true;
  /** Called after the write is stored. */
  readonly onWrite?: Effect;
  /** Called before the value is read. */
  readonly onRead?: Effect;
  /** The name is an alias of a register that has its own row, or of a part of such a register. */
  readonly alias?: true;
  /** The register block to which the register belongs; if absent, each chip of the layer has the register. */
  readonly on?: RegisterBlock;
}

type AnyRegister = Register<Width, Access>;
/** Names of the registers of a map, and of its arrays of registers. */
export type RegisterName<M> = {
  [K in keyof M]: M[K] extends AnyRegister | readonly AnyRegister[] ? K : never;
}[keyof M];
type WidthOf<R> = R extends Register<infer W, Access> | readonly Register<infer W, Access>[] ? W : never;
/** A row for each register of a map. */
export type Rows<M> = { readonly [K in RegisterName<M>]: Behaviour<WidthOf<M[K]>> };

/** A register of a chip: position and behaviour. */
export interface RegisterRow extends Behaviour {
  /** The datasheet's name; registers of an array are numbered from 0. */
  readonly name: string;
  readonly offset: number;
  readonly reset: number;
  readonly writable: number;
}

/** Registers of some chips. They replace registers of earlier layers that they overlap. */
export type RegisterLayer = (chip: Chip) => readonly RegisterRow[];

/** A layer of the registers in `map` with their `rows`, for chips with the block `on`, or for all chips. */
export const registerLayer = <M extends object>(map: M, rows: Partial<Rows<M>>, on?: RegisterBlock): RegisterLayer => {
  const names = Object.keys(rows) as (keyof Rows<M> & string)[];
  return (chip) =>
    has(chip, on)
      ? names.flatMap((name) => {
          const row: Behaviour = rows[name]!;
          if (!has(chip, row.on)) return [];
          const reset = valueFor(chip, row.reset);
          const writable = valueFor(chip, row.writable);
          const at = map[name as unknown as keyof M] as number | readonly number[];
          if (typeof at === "number") return [{ ...row, name, offset: at, reset, writable }];
          return at.map((offset, i) => ({ ...row, name: `${name}${i}`, offset, reset, writable }));
        })
      : [];
};

const has = (chip: Chip, block: RegisterBlock | undefined): boolean =>
  block === undefined || chip.profile.registers.includes(block);

const valueFor = (chip: Chip, value: PerChip<number>): number => (typeof value === "number" ? value : value(chip));

const inside = (inner: RegisterRow, outer: RegisterRow): boolean =>
  inner.offset >= outer.offset && inner.offset + inner.width / 8 <= outer.offset + outer.width / 8;
const overlap = (a: RegisterRow, b: RegisterRow): boolean =>
  a.offset < b.offset + b.width / 8 && b.offset < a.offset + a.width / 8;

/** The registers of a chip in order of their offsets; later layers override earlier ones. */
export const flatten = (layers: readonly RegisterLayer[], chip: Chip): readonly RegisterRow[] => {
  let set: readonly RegisterRow[] = [];
  for (const layer of layers) {
    const above = layer(chip);
    const covering = above.filter((row) => !row.alias);
    set = [...set.filter((row) => row.alias || !covering.some((other) => overlap(row, other))), ...above];
  }
  const real = set.filter((row) => !row.alias);
  return set
    .filter((row) => !row.alias || real.some((other) => inside(row, other)))
    .toSorted((a, b) => a.offset - b.offset);
};
