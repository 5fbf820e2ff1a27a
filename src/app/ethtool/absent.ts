/**
 * Flags of ethtool that no chip of the family supports, or that this driver does not support. They are rejected with
 * the kernel's errors.
 */
import { flag, type Group, unsupported } from "./flag.ts";

const FEC = "Forward error correction is for links above 10 Gbit/s.";
const PRIVATE = "The driver has no private flags.";

interface Row {
  readonly names: readonly string[];
  readonly what: string;
  readonly why: string;
  readonly exit: number;
  readonly failure?: readonly string[];
}

const ROWS: readonly Row[] = [
  { names: ["--show-fec"], what: "show forward error correction", why: FEC, exit: 1 },
  { names: ["--set-fec"], what: "set forward error correction", why: FEC, exit: 83 },
  { names: ["--show-priv-flags"], what: "show private flags", why: PRIVATE, exit: 1 },
  { names: ["--set-priv-flags"], what: "set private flags", why: PRIVATE, exit: 1 },
  {
    names: ["-m", "--dump-module-eeprom", "--module-info"],
    what: "show the EEPROM of a fibre module",
    why: "No register for access to the module is known.",
    exit: 1,
  },
  {
    names: ["-n", "-u", "--show-nfc", "--show-ntuple"],
    what: "show receive flow classification rules",
    why: "No register for such rules is documented. `ferrule ethtool -x` shows the queue for each hash.",
    exit: 1,
    failure: [
      "Cannot get RX rings: %",
      "rxclass: Cannot get RX class rule count: %",
      "RX classification rule retrieval failed",
    ],
  },
  {
    names: ["-N", "-U", "--config-nfc", "--config-ntuple"],
    what: "set receive flow classification rules",
    why: "No register for such rules is documented. `ferrule ethtool -X` spreads flows by their hash.",
    exit: 1,
    failure: ["rxclass: Cannot get RX class rule count: %", "Cannot insert classification rule"],
  },
  {
    names: ["-E", "--change-eeprom"],
    what: "write the EEPROM",
    why: "The driver does not write the EEPROM, because a wrong word would make the card unusable.",
    exit: 1,
    failure: ["Cannot set EEPROM data: %"],
  },
  {
    names: ["-f", "--flash"],
    what: "write the boot ROM",
    why: "The driver does not write the boot ROM.",
    exit: 1,
    failure: ["Flashing: %"],
  },
];

export const absent: Group = {
  operations: Object.fromEntries(ROWS.map(({ names, why }) => [names[0]!, unsupported(why)])),
  flags: ROWS.map(({ names, what, exit, failure }) =>
    flag({
      names,
      words: "",
      summary: `${what} (not supported)`,
      operation: names[0]!,
      ...(failure === undefined ? {} : { failure }),
      exit,
      argument: () => ({}),
      lines: () => [],
    }),
  ),
};
