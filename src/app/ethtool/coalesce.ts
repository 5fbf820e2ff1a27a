/** `-c` and `-C`: interrupt coalescing. */
import type { Coalescing } from "#driver/moderation.ts";
import { OutOfRange } from "#kit/errors.ts";
import { flag, type Group, NotSupported, onOff } from "./flag.ts";
import { pairs, taking } from "./words.ts";

type CoalesceValue = { readonly adaptive: boolean } & Coalescing;

/** Words of `-C` that take a number. */
const NUMBERS = ["rx-usecs", "rx-frames", "tx-usecs", "tx-frames"] as const;
const TAKES: Readonly<Record<string, "switch" | "number">> = {
  "adaptive-rx": "switch",
  "adaptive-tx": "switch",
  ...Object.fromEntries(NUMBERS.map((name) => [name, "number" as const])),
};

/** Rounds up to whole microseconds. A difference below one millionth is a rounding error and is ignored. */
const whole = (micros: number): number => Math.ceil(micros - 1e-6);
const framesOf = ({ micros, frames }: Coalescing["receive"]): number => (micros === 0 ? frames || 1 : frames);
const unknown = (...rows: readonly string[]): readonly string[] => rows.map((row) => `${row}n/a`);

/**
 * Limits as ethtool prints them, with times in whole microseconds. Without limits, every frame causes an interrupt,
 * which is shown as a limit of one frame.
 */
const numbersOf = ({ receive, transmit }: Coalescing): Readonly<Record<(typeof NUMBERS)[number], number>> => {
  return {
    "rx-usecs": whole(receive.micros),
    "rx-frames": framesOf(receive),
    "tx-usecs": whole(transmit.micros),
    "tx-frames": framesOf(transmit),
  };
};

const NO_MODERATION = "This chip does not support interrupt moderation.";

export const coalesce: Group = {
  operations: {
    coalesce: ({ nic }): CoalesceValue => {
      const { moderation, chip } = nic;
      if (chip.profile.mac.moderation === "none") throw new NotSupported(NO_MODERATION);
      return { adaptive: moderation.adaptive, ...moderation.actual };
    },
    setCoalesce: taking(TAKES, ({ nic }, argument) => {
      const { moderation, chip } = nic;
      if (chip.profile.mac.moderation === "none") throw new NotSupported(NO_MODERATION);
      const { "adaptive-rx": rx, "adaptive-tx": tx } = argument;
      const adaptive = rx ?? tx;
      if ((tx ?? adaptive) !== adaptive)
        throw new OutOfRange("adaptive moderation applies to both directions", "Give adaptive-rx without adaptive-tx.");
      const { receive, transmit } = moderation.wanted;
      const wanted = (name: (typeof NUMBERS)[number], now: number): number => Number(argument[name] ?? now);
      const named = NUMBERS.some((name) => argument[name] !== undefined);
      if (named && adaptive === true)
        throw new OutOfRange(
          "limits cannot be combined with adaptive moderation",
          "Give either adaptive-rx or limits.",
        );
      if (named)
        moderation.set({
          receive: { micros: wanted("rx-usecs", receive.micros), frames: wanted("rx-frames", receive.frames) },
          transmit: { micros: wanted("tx-usecs", transmit.micros), frames: wanted("tx-frames", transmit.frames) },
        });
      else if (typeof adaptive === "boolean") moderation.setAdaptive(adaptive);
      return {};
    }),
  },
  flags: [
    flag<CoalesceValue>({
      names: ["-c", "--show-coalesce"],
      words: "",
      summary: "show interrupt coalescing",
      operation: "coalesce",
      exit: 1,
      lines: (value, name) => {
        const numbers = numbersOf(value);
        return [
          `Coalesce parameters for ${name}:`,
          `Adaptive RX: ${onOff(value.adaptive)}  TX: ${onOff(value.adaptive)}`,
          ...unknown("stats-block-usecs:\t", "sample-interval:\t", "pkt-rate-low:\t\t", "pkt-rate-high:\t\t"),
          "",
          `rx-usecs:\t${numbers["rx-usecs"]}`,
          `rx-frames:\t${numbers["rx-frames"]}`,
          ...unknown("rx-usecs-irq:\t", "rx-frames-irq:\t"),
          "",
          `tx-usecs:\t${numbers["tx-usecs"]}`,
          `tx-frames:\t${numbers["tx-frames"]}`,
          ...unknown("tx-usecs-irq:\t", "tx-frames-irq:\t"),
          "",
          ...unknown("rx-usecs-low:\t", "rx-frame-low:\t", "tx-usecs-low:\t", "tx-frame-low:\t"),
          "",
          ...unknown("rx-usecs-high:\t", "rx-frame-high:\t", "tx-usecs-high:\t", "tx-frame-high:\t"),
          "",
          "CQE mode RX: n/a  TX: n/a",
          "",
          ...unknown("tx-aggr-max-bytes:\t", "tx-aggr-max-frames:\t", "tx-aggr-time-usecs:\t"),
          "",
        ];
      },
      json: (value) => ({ "adaptive-rx": value.adaptive, "adaptive-tx": value.adaptive, ...numbersOf(value) }),
    }),
    flag({
      names: ["-C", "--coalesce"],
      words: "[adaptive-rx on|off] [rx-usecs N] [rx-frames N] [tx-usecs N] [tx-frames N]",
      summary: "set interrupt coalescing",
      operation: "setCoalesce",
      exit: 1,
      argument: pairs(TAKES),
      lines: () => [],
    }),
  ],
};
