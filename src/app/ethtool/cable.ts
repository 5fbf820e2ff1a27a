/** `--cable-test`: the state of each pair of the cable, where the PHY can test it. */
import type { PairReport } from "#driver/cable-test.ts";
import { flag, type Group, NotSupported } from "./flag.ts";

/** ethtool's text for each result code of linux/ethtool_netlink.h. */
const CODES: Readonly<Record<PairReport["state"], string>> = {
  ok: "OK",
  open: "Open Circuit",
  short: "Short within Pair",
  mismatch: "Impedance mismatch",
  unknown: "Unknown",
};

interface Tested {
  readonly pairs: readonly PairReport[];
}

export const cable: Group = {
  operations: {
    *testCable({ nic }): Generator<number, Tested> {
      if (nic.chip.profile.cableTest === undefined)
        throw new NotSupported("No source describes a cable test of this PHY. The RTL8168H, 8125A and 8125B have one.");
      return { pairs: yield* nic.phy.testCable() };
    },
  },
  flags: [
    flag<Tested>({
      names: ["--cable-test"],
      words: "",
      summary: "test the cable: a link of at most 100 Mbit/s goes down meanwhile",
      operation: "testCable",
      failure: ["netlink error: PHY driver does not support cable testing", "netlink error: %"],
      exit: 1,
      lines: ({ pairs }, name) => [
        `Cable test started for device ${name}.`,
        `Cable test completed for device ${name}.`,
        ...pairs.flatMap(({ pair, state, metres }) => [
          `Pair ${pair} code ${CODES[state]}`,
          ...(metres === undefined ? [] : [`Pair ${pair}, fault length: ${metres.toFixed(2)}m`]),
        ]),
      ],
      json: ({ pairs }) => ({
        results: pairs.map(({ pair, state, metres }) => ({
          pair: `Pair ${pair}`,
          code: CODES[state],
          ...(metres === undefined ? {} : { length: metres }),
        })),
      }),
    }),
  ],
};
