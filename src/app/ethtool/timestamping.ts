/**
 * `-T`: time stamping. The interface is a TAP, to which the kernel gives no hardware clock, even if the chip has one.
 */
import { type Timestamping, timestamping as timestampingOf } from "#sys/timestamping.ts";
import { flag, type Group } from "./flag.ts";

/** Names of the capability bits of linux/net_tstamp.h, in the order of the bits. */
const CAPABILITIES = [
  "hardware-transmit",
  "software-transmit",
  "hardware-receive",
  "software-receive",
  "software-system-clock",
  "hardware-legacy-clock",
  "hardware-raw-clock",
] as const;

/** Names of the values of HWTSTAMP_TX_* and HWTSTAMP_FILTER_*. */
const TRANSMIT = ["off", "on", "onestep-sync", "onestep-p2p"] as const;
const RECEIVE = [
  "none",
  "all",
  "some",
  ...["ptpv1-l4", "ptpv2-l4", "ptpv2-l2", "ptpv2"].flatMap((kind) =>
    ["event", "sync", "delay-req"].map((message) => `${kind}-${message}`),
  ),
  "ntp-all",
] as const;

const named = (bits: number, names: readonly string[] = CAPABILITIES): readonly string[] =>
  names.filter((_, bit) => (bits & (1 << bit)) !== 0);

const modes = (title: string, bits: number, names: readonly string[]): readonly string[] =>
  bits === 0 ? [`${title}: none`] : [`${title}:`, ...named(bits, names).map((each) => `\t${each}`)];

export const timestamping: Group = {
  operations: { timestamping: ({ tap }) => tap.withInterfaces((interfaces, name) => timestampingOf(interfaces, name)) },
  flags: [
    flag<Timestamping>({
      names: ["-T", "--show-time-stamping"],
      words: "",
      summary: "show time stamping capabilities",
      operation: "timestamping",
      exit: 1,
      lines: ({ capabilities, clock, transmit, receive }, name) => [
        `Time stamping parameters for ${name}:`,
        "Capabilities:",
        ...named(capabilities).map((each) => `\t${each}`),
        `PTP Hardware Clock: ${clock < 0 ? "none" : clock}`,
        ...modes("Hardware Transmit Timestamp Modes", transmit, TRANSMIT),
        ...modes("Hardware Receive Filter Modes", receive, RECEIVE),
      ],
      json: ({ capabilities, clock }) => ({ capabilities: named(capabilities), clock: clock < 0 ? null : clock }),
    }),
  ],
};
