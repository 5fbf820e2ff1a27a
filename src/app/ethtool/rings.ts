/** `-g` and `-G`: descriptors in the rings; both rings have the same number. */
import { checkSlots } from "#driver/nic-options.ts";
import { OutOfRange } from "#kit/errors.ts";
import { flag, type Group } from "./flag.ts";
import { pairs, taking } from "./words.ts";

const TAKES = { rx: "number", tx: "number" } as const;

interface RingValue {
  readonly now: number;
  readonly most: number;
}

export const rings: Group = {
  operations: {
    rings: ({ nic }): RingValue => ({ now: nic.slots, most: nic.chip.profile.frames.ringLimit }),
    setRings: taking(TAKES, ({ nic, rebuild }, { rx, tx }) => {
      const slots = rx ?? tx ?? nic.slots;
      if (typeof slots !== "number" || (tx ?? slots) !== slots)
        throw new OutOfRange("both rings have the same number of descriptors", "Give one number: `-G fe0 rx 512`.");
      if (slots === nic.slots) return {};
      // The number is checked before the rings are stopped, so that traffic continues if it is rejected.
      checkSlots(nic.chip, slots);
      rebuild(`${slots} descriptors`, () => nic.setRings(slots));
      return {};
    }),
  },
  flags: [
    flag<RingValue>({
      names: ["-g", "--show-ring"],
      words: "",
      summary: "show the number of descriptors in the rings",
      operation: "rings",
      exit: 1,
      lines: ({ now, most }, name) => [
        `Ring parameters for ${name}:`,
        "Pre-set maximums:",
        `RX:\t\t\t${most}`,
        "RX Mini:\t\tn/a",
        "RX Jumbo:\t\tn/a",
        `TX:\t\t\t${most}`,
        "TX push buff len:\tn/a",
        "Current hardware settings:",
        `RX:\t\t\t${now}`,
        "RX Mini:\t\tn/a",
        "RX Jumbo:\t\tn/a",
        `TX:\t\t\t${now}`,
        "RX Buf Len:\t\tn/a",
        "CQE Size:\t\tn/a",
        "TX Push:\t\toff",
        "RX Push:\t\toff",
        "TX push buff len:\tn/a",
        "TCP data split:\t\tn/a",
      ],
      json: ({ now, most }) => ({
        "rx-max": most,
        "tx-max": most,
        rx: now,
        tx: now,
        "tx-push": false,
        "rx-push": false,
      }),
    }),
    flag({
      names: ["-G", "--set-ring"],
      words: "rx N | tx N",
      summary: "set the number of descriptors in both rings",
      operation: "setRings",
      exit: 81,
      argument: pairs(TAKES),
      lines: () => [],
    }),
  ],
};
