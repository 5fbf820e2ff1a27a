/** `--show-eee` and `--set-eee`: energy-efficient Ethernet. */
import type { EeeReport } from "#driver/power-saving.ts";
import { flag, type Group, type Json, NotSupported } from "./flag.ts";
import { modeLines, modesIn, ordered } from "./mode-names.ts";
import { pairs, taking } from "./words.ts";

const TAKES = { eee: "switch", advertise: "text", "tx-lpi": "switch", "tx-timer": "number" } as const;
const NONE = "The chip does not support energy-efficient Ethernet, or does not support it with this transceiver.";

const statusOf = ({ enabled, active }: EeeReport): string =>
  enabled ? `enabled - ${active ? "active" : "inactive"}` : "disabled";
const idleOf = ({ enabled, txLpi, actualTimer = 0 }: EeeReport): number =>
  enabled && txLpi ? Math.round(actualTimer) : 0;

const json = (value: EeeReport): { readonly [key: string]: Json } => ({
  status: value.enabled ? (value.active ? "active" : "inactive") : "disabled",
  "tx-lpi": idleOf(value),
  "supported-eee-link-modes": ordered(value.supported),
  "advertised-eee-link-modes": ordered(value.advertise),
  "link-partner-advertised-eee-link-modes": ordered(value.partner),
});

export const eee: Group = {
  operations: {
    eee: ({ nic }) => {
      const value = nic.powerSaving.eee;
      if (value.supported.length === 0) throw new NotSupported(NONE);
      return value;
    },
    setEee: taking(TAKES, ({ nic }, { eee: enabled, "tx-lpi": txLpi, "tx-timer": timer, advertise }) => {
      if (nic.powerSaving.eee.supported.length === 0) throw new NotSupported(NONE);
      nic.powerSaving.setEee({
        ...(typeof enabled === "boolean" && { enabled }),
        ...(typeof txLpi === "boolean" && { txLpi }),
        ...(typeof timer === "number" && { txLpiTimer: timer }),
        ...(typeof advertise === "string" && { advertise: modesIn(advertise) }),
      });
      return {};
    }),
  },
  flags: [
    flag<EeeReport>({
      names: ["--show-eee"],
      words: "",
      summary: "show energy-efficient Ethernet",
      operation: "eee",
      exit: 1,
      lines: (value, name) => [
        `EEE settings for ${name}:`,
        `\tEEE status: ${statusOf(value)}`,
        `\tTx LPI: ${value.txLpi ? `${idleOf(value)} (us)` : "disabled"}`,
        ...modeLines("Supported EEE link modes:  ", value.supported),
        ...modeLines("Advertised EEE link modes:  ", value.advertise),
        ...modeLines("Link partner advertised EEE link modes:  ", value.partner),
      ],
      json,
    }),
    flag({
      names: ["--set-eee"],
      words: "[eee on|off] [advertise MASK] [tx-lpi on|off] [tx-timer N]",
      summary: "set energy-efficient Ethernet",
      operation: "setEee",
      exit: 76,
      argument: pairs(TAKES),
      lines: () => [],
    }),
  ],
};
