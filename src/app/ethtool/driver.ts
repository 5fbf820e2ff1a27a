/** `-i` and `-P`: driver, firmware and device of an interface, and the card's permanent address. */
import { formatMac } from "#wire/mac.ts";
import { version } from "../manifest.ts";
import { flag, type Group, yesNo } from "./flag.ts";

interface DriverValue {
  readonly firmware: string;
  readonly bus: string;
  readonly eeprom: boolean;
}

const rows = ({ firmware, bus, eeprom }: DriverValue): readonly (readonly [name: string, text: string])[] => [
  ["driver", "ferrule"],
  ["version", version()],
  ["firmware-version", firmware],
  ["expansion-rom-version", ""],
  ["bus-info", bus],
  ["supports-statistics", "yes"],
  ["supports-test", "yes"],
  ["supports-eeprom-access", yesNo(eeprom)],
  ["supports-register-dump", "yes"],
  ["supports-priv-flags", "no"],
];

export const driver: Group = {
  operations: {
    driver: ({ nic, device }): DriverValue => ({
      firmware: nic.firmware ?? "",
      bus: device.name,
      eeprom: nic.chip.profile.memory === "eeprom",
    }),
    address: ({ nic }) => ({ address: nic.permanentAddress === undefined ? "" : formatMac(nic.permanentAddress) }),
  },
  flags: [
    flag<DriverValue>({
      names: ["-i", "--driver"],
      words: "",
      summary: "show the driver, its firmware and the device",
      operation: "driver",
      failure: ["Cannot get driver information: %"],
      exit: 71,
      lines: (value) => rows(value).map(([name, text]) => `${name}: ${text}`),
      json: (value) => Object.fromEntries(rows(value)),
    }),
    flag<{ readonly address: string }>({
      names: ["-P", "--show-permaddr"],
      words: "",
      summary: "show the card's permanent address",
      operation: "address",
      exit: 1,
      lines: ({ address }) => [`Permanent address: ${address === "" ? "not set" : address}`],
    }),
  ],
};
