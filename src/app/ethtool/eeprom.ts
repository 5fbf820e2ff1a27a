/** `-e`: the serial EEPROM of an older chip. */
import { flag, type Group, dumpLines, NotSupported } from "./flag.ts";
import { pairs, taking } from "./words.ts";

const TAKES = { offset: "number", length: "number" } as const;

interface EepromValue {
  readonly offset: number;
  readonly bytes: readonly number[];
}

export const eeprom: Group = {
  operations: {
    eeprom: taking(TAKES, function* ({ nic }, { offset = 0, length }): Generator<void, EepromValue> {
      const bytes: number[] = [];
      for (const word of nic.eeprom()) {
        bytes.push(word & 0xff, word >>> 8);
        yield;
      }
      if (bytes.length === 0)
        throw new NotSupported(
          "The chip supports no EEPROM, or the board has none. In both cases the settings are in fuses.",
        );
      const start = Number(offset);
      return { offset: start, bytes: bytes.slice(start, length === undefined ? undefined : start + Number(length)) };
    }),
  },
  flags: [
    flag<EepromValue>({
      names: ["-e", "--eeprom-dump"],
      words: "[offset N] [length N]",
      summary: "show the EEPROM",
      operation: "eeprom",
      failure: ["Cannot get EEPROM data: %"],
      exit: 74,
      argument: pairs(TAKES),
      lines: ({ offset, bytes }) => dumpLines(bytes, offset),
    }),
  ],
};
