/** `-e`: the serial EEPROM beside an older chip. */
import { flag, type Group, dumpLines, NotSupported } from "./flag.ts";
import { pairs } from "./words.ts";

interface EepromValue {
  readonly offset: number;
  readonly bytes: readonly number[];
}

export const eeprom: Group = {
  operations: {
    *eeprom({ nic }, { offset = 0, length }): Generator<void, EepromValue> {
      const bytes: number[] = [];
      for (const word of nic.eeprom()) {
        bytes.push(word & 0xff, word >>> 8);
        yield;
      }
      if (bytes.length === 0) throw new NotSupported("The chip or its board has no EEPROM: settings are in fuses.");
      const start = Number(offset);
      return { offset: start, bytes: bytes.slice(start, length === undefined ? undefined : start + Number(length)) };
    },
  },
  flags: [
    flag<EepromValue>({
      names: ["-e", "--eeprom-dump"],
      words: "[offset N] [length N]",
      summary: "show the EEPROM",
      operation: "eeprom",
      failure: ["Cannot get EEPROM data: %"],
      exit: 74,
      argument: pairs({ offset: "number", length: "number" }),
      lines: ({ offset, bytes }) => dumpLines(bytes, offset),
    }),
  ],
};
