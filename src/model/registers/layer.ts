/** Behaviour laid beside a register map: a register of the map without a row, or with another width, does not compile. */
import type { Chip } from "#chip/chips.ts";
import type { RegisterBlock } from "#chip/profiles.ts";
import type { Access, Register, Width } from "#kit/mmio.ts";
import type { Effect } from "./effects.ts";

/** One value for every chip, or one that depends on it. */
type PerChip<T> = T | ((chip: Chip) => T);

export interface Behaviour<W extends Width = Width> {
  /** Its width in bits; the type makes it agree with the map. */
  readonly width: W;
  /** Value after power-on. */
  readonly reset: PerChip<number>;
  /** Bits a guest can change. */
  readonly writable: PerChip<number>;
  /** A software reset (ChipCmd) puts it back too. Otherwise only power-on and bus reset do. */
  readonly softReset?: true;
  /** Writes are lost unless Cfg9346 is unlocked. */
  readonly locked?: true;
  /** After the write is stored. */
  readonly onWrite?: Effect;
  /** Before the value is taken. */
  readonly onRead?: Effect;
  /** Another name for (part of) a register that has its own row. */
  readonly alias?: true;
  /** The block it belongs to; without one, every chip that the layer is for has it. */
  readonly on?: RegisterBlock;
}

type AnyRegister = Register<Width, Access>;
/** Every register of a map, and every run of equal ones. */
export type RegisterName<M> = {
  [K in keyof M]: M[K] extends AnyRegister | readonly AnyRegister[] ? K : never;
}[keyof M];
type WidthOf<R> = R extends Register<infer W, Access> | readonly Register<infer W, Access>[] ? W : never;
/** A row for each register of a map. */
export type Rows<M> = { readonly [K in RegisterName<M>]: Behaviour<WidthOf<M[K]>> };

/** A register of a chip: where it is and what it does. */
export interface RegisterRow extends Behaviour {
  /** The datasheet's name; a run of registers counts its own from 0. */
  readonly name: string;
  readonly offset: number;
  readonly reset: number;
  readonly writable: number;
}

/** What some chips have. Its rows take the place of those of earlier layers that they overlap. */
export type Layer = (chip: Chip) => readonly RegisterRow[];

/** A layer of the rows beside their map, for the chips with the block `on`, or for all. */
export const lay = <M extends object>(map: M, rows: Partial<Rows<M>>, on?: RegisterBlock): Layer => {
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

/** The registers that these layers, the later ones above the earlier ones, give a chip, in ascending order. */
export const flatten = (layers: readonly Layer[], chip: Chip): readonly RegisterRow[] => {
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
