/** `-d`: the chip's first 256 bytes of registers, as bytes and as named registers with their fields. */
import { type Chip, chipNamed } from "#chip/chips.ts";
import { fieldsOf } from "#chip/bits.ts";
import { ro32 } from "#kit/mmio.ts";
import { readRegisters } from "../report/register-table.ts";
import { fieldText, type NamedRegister } from "#model/observation/register-names.ts";
import { dumpLines, flag, type Group } from "./flag.ts";
import { pairs } from "./words.ts";

const WORDS = 64;

interface RegisterValue {
  readonly chip: string;
  readonly bytes: readonly number[];
}

const valueAt = (bytes: readonly number[], offset: number, width: number): number => {
  let value = 0;
  for (let i = width / 8 - 1; i >= 0; i--) value = value * 256 + bytes[offset + i]!;
  return value;
};

/** One register as a line, such as "0x37: ChipCmd  0x0c  transmit receive". */
const registerLine = (chip: Chip, { name, offset, width }: NamedRegister, value: number): string => {
  const fields = fieldsOf(name, chip);
  const text = fields === undefined ? "" : fieldText(value, fields);
  const digits = `0x${value.toString(16).padStart(width / 4, "0")}`;
  return `0x${offset.toString(16).padStart(2, "0")}: ${name.padEnd(20)} ${digits.padEnd(10)}  ${text}`.trimEnd();
};

const decoded = ({ chip, bytes }: RegisterValue): readonly string[] => {
  const row = chipNamed(chip);
  if (row === undefined) return [];
  return readRegisters(row)
    .filter(({ offset, width }) => offset + width / 8 <= bytes.length)
    .map((register) => registerLine(row, register, valueAt(bytes, register.offset, register.width)));
};

export const registers: Group = {
  operations: {
    registers: ({ nic, device }): RegisterValue => {
      const { registers: io } = device;
      const words = Array.from({ length: WORDS }, (_, i) => io.read32(ro32(4 * i)));
      const bytes = words.flatMap((word) => [word & 0xff, (word >>> 8) & 0xff, (word >>> 16) & 0xff, word >>> 24]);
      return { chip: nic.chip.key, bytes };
    },
  },
  flags: [
    flag<RegisterValue>({
      names: ["-d", "--register-dump"],
      words: "[hex on|off]",
      summary: "show the registers, as bytes or by name",
      operation: "registers",
      failure: ["Cannot get register dump: %"],
      exit: 74,
      argument: pairs({ hex: "switch" }),
      lines: (value, _, { hex }) => [...dumpLines(value.bytes), ...(hex === true ? [] : ["", ...decoded(value)])],
    }),
  ],
};
