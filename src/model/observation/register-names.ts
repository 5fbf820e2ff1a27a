/** Names, from the datasheets, of the registers that an access covers and of the fields of its value. */
import { decode, type Fields, fieldsOf, isFlag } from "#chip/bits.ts";
import type { Chip } from "#chip/chips.ts";
import {
  CAPABILITIES,
  type ConfigRegister,
  HEADER,
  MSIX_CAPABILITY,
  MSIX_ENTRY,
  MSIX_ENTRY_BYTES,
} from "#chip/config-registers.ts";
import type { RegionName, Target } from "#kit/target.ts";
import type { TracedAccess } from "./strict.ts";

/** A register's name and position. */
export interface NamedRegister {
  readonly name: string;
  readonly offset: number;
  /** Width in bits. */
  readonly width: 8 | 16 | 32;
}

export interface Entry {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly fields: Fields | undefined;
}

/** A register that an access covers, and the part of the value that belongs to it. */
export interface CoveredRegister {
  readonly entry: Entry;
  readonly value: number;
  /** Whether the access covers the whole register. */
  readonly whole: boolean;
}

const CAPABILITIES_AT = 0x34;
const FIRST_CAPABILITY = 0x40;
const MAX_CAPABILITIES = 48;

/** Names for one device. Its capability list is read once, since guests cannot change it. */
export class RegisterNames {
  /** For each space, its registers in order of their offsets. */
  readonly #registers: readonly Entry[];
  readonly #config: readonly Entry[];
  #msixBar = -1;

  /** @param chip undefined if unknown; fields that differ between chips then have no names */
  constructor(registers: readonly NamedRegister[], chip: Chip | undefined, target: Pick<Target, "read">) {
    this.#registers = sorted(
      registers.map(({ name, offset, width }) => ({ name, offset, bytes: width / 8, fields: fieldsOf(name, chip) })),
    );
    const config = entries("", 0, HEADER);
    for (const [id, at] of this.#capabilities(target)) {
      const capability = CAPABILITIES[id];
      if (capability !== undefined) config.push(...entries(`${capability.name}.`, at, capability.registers));
    }
    this.#config = sorted(config);
  }

  /** The registers that an access covers, in order of their offsets; empty if there is none. */
  covered(region: RegionName, offset: number, width: number, value: number): readonly CoveredRegister[] {
    return findIn(this.#space(region, offset), offset, width, value);
  }

  /** Describes an access to the registers in one line: `write8  0x37 = 0x10        ChipCmd: reset`. */
  sentence({ write, offset, width, value }: TracedAccess): string {
    const what = `${write ? "write" : "read"}${8 * width}`.padEnd(8);
    const names = findIn(this.#registers, offset, width, value).map(registerText).join(", ");
    return `${what}${hex(offset)} = ${hex(value)}  ${names || "?"}`;
  }

  #space(region: RegionName, offset: number): readonly Entry[] {
    if (region === "config") return this.#config;
    if (region !== this.#msixBar) return this.#registers;
    const vector = Math.floor(offset / MSIX_ENTRY_BYTES);
    return entries(`MsiX[${vector}].`, vector * MSIX_ENTRY_BYTES, MSIX_ENTRY);
  }

  #capabilities(target: Pick<Target, "read">): readonly (readonly [id: number, at: number])[] {
    const found: [number, number][] = [];
    let at = target.read("config", CAPABILITIES_AT, 1);
    for (; at >= FIRST_CAPABILITY && found.length < MAX_CAPABILITIES; at = target.read("config", at + 1, 1)) {
      const id = target.read("config", at, 1);
      if (id === MSIX_CAPABILITY) this.#msixBar = target.read("config", at + 4, 4) & 7;
      found.push([id, at]);
    }
    return found;
  }
}

const findIn = (space: readonly Entry[], offset: number, width: number, value: number): readonly CoveredRegister[] =>
  space.flatMap((entry) => {
    if (entry.offset >= offset + width || entry.offset + entry.bytes <= offset) return [];
    const shift = 8 * (entry.offset - offset);
    const inPlace = (shift >= 0 ? value >>> shift : value << -shift) & ones(entry.bytes);
    const whole = offset <= entry.offset && offset + width >= entry.offset + entry.bytes;
    return [{ entry, value: inPlace >>> 0, whole }];
  });

const ones = (bytes: number): number => (bytes === 4 ? -1 : (1 << (8 * bytes)) - 1);

const entries = (prefix: string, at: number, registers: readonly ConfigRegister[]): Entry[] =>
  registers.map(([offset, bytes, name, fields]) => ({ name: prefix + name, offset: at + offset, bytes, fields }));

/** Sorts by offset; if registers start at the same offset, the longer one comes first. */
const sorted = (list: readonly Entry[]): readonly Entry[] => {
  const order = list.toSorted((a, b) => a.offset - b.offset || b.bytes - a.bytes);
  // Further names for a register or its parts are left out, because they would repeat the same values.
  return order.filter((entry, i) => {
    const before = order.slice(0, i);
    return !before.some((other) => other.offset + other.bytes > entry.offset && other.bytes >= entry.bytes);
  });
};

const hex = (value: number): string => `0x${value.toString(16)}`;

/** A value's fields as text: `receiveOk linkChange`, `address=0xa430`. */
export const fieldText = (value: number, fields: Fields): string =>
  decode(value, fields)
    .map(([name, field]) => {
      if (isFlag(fields[name]!)) return name;
      return `${name}=${field < 10 ? field : hex(field)}`;
    })
    .join(" ");

/** A register and its fields as text: `IntrStatus: receiveOk`. */
export const registerText = ({ entry, value, whole }: CoveredRegister): string => {
  const fields = entry.fields === undefined ? "" : fieldText(value, entry.fields);
  return `${entry.name}${whole ? "" : " (part)"}${fields === "" ? "" : `: ${fields}`}`;
};
