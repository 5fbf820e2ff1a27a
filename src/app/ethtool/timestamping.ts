/** `-T`: time stamping. The interface's TAP does it: the kernel gives a TAP no hardware clock, whatever the chip has. */
import { type Timestamping, timestamping as timestampingOf } from "#sys/timestamping.ts";
import { flag, type Group } from "./flag.ts";

/** linux/net_tstamp.h, by bit. */
const CAPABILITIES = [
  "hardware-transmit",
  "software-transmit",
  "hardware-receive",
  "software-receive",
  "software-system-clock",
  "hardware-legacy-clock",
  "hardware-raw-clock",
] as const;

const named = (bits: number): readonly string[] => CAPABILITIES.filter((_, bit) => (bits & (1 << bit)) !== 0);

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
        `Hardware Transmit Timestamp Modes: ${transmit === 0 ? "none" : `0x${transmit.toString(16)}`}`,
        `Hardware Receive Filter Modes: ${receive === 0 ? "none" : `0x${receive.toString(16)}`}`,
      ],
      json: ({ capabilities, clock }) => ({ capabilities: named(capabilities), clock: clock < 0 ? null : clock }),
    }),
  ],
};
