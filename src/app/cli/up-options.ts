/** The options of `ferrule up`. */
import { parseInterfaceName } from "../terminal/usage.ts";
import { chipsCalled } from "#chip/board-names.ts";
import type { Chip } from "#chip/chips.ts";
import { parseSettings } from "../ethtool/settings.ts";
import { parseMetricsAddress } from "../metrics/address.ts";
import { parseWire } from "../wires/wire-spec.ts";
import type { Options } from "./arguments.ts";
import { LOG_OPTIONS } from "./log.ts";
import { parseThreads } from "./queue-threads.ts";
import { CONFIG_OPTION } from "./settings-file.ts";
import {
  parseAspm,
  parseMtu,
  parseQueues,
  parseRings,
  parseSocketMode,
  parseStationAddress,
  parseIdle,
  parseWait,
  parseWake,
} from "./spec.ts";

/** The chip of a model; undefined for a card, whose chip is not known yet. */
const chipOf = ([device = ""]: readonly string[]): Chip | undefined =>
  device.startsWith("model:") ? chipsCalled(device.slice("model:".length))[0] : undefined;

export const UP_OPTIONS = {
  name: {
    kind: "value",
    placeholder: "NAME",
    summary: "name of the network interface",
    default: "fe0",
    check: parseInterfaceName,
  },
  wire: {
    kind: "value",
    placeholder: "SPEC",
    summary: "far end of a model's wire; default: responder",
    check: parseWire,
  },
  "socket-mode": {
    kind: "value",
    placeholder: "MODE",
    summary: "permissions of a socket at which --wire listens, in octal digits; default: 600",
    check: parseSocketMode,
  },
  mtu: {
    kind: "value",
    placeholder: "BYTES",
    summary: "initial MTU",
    default: "1500",
    check: (text, operands) => parseMtu(text, chipOf(operands)),
  },
  rings: {
    kind: "value",
    placeholder: "N",
    summary: "descriptors in each ring, a power of two from 64 to 1024 or 4096, depending on the chip; default: 256",
    check: (text, operands) => parseRings(text, chipOf(operands)),
  },
  aspm: {
    kind: "value",
    placeholder: "POLICY",
    summary: "power saving of the PCI Express link (ASPM) in the chip: auto, off or full; default: auto",
    check: (text, operands) => parseAspm(text, chipOf(operands)),
  },
  queues: {
    kind: "value",
    placeholder: "N",
    summary:
      "receive queues, each with a queue of the interface: up to 4 or 8, on the RTL8168H and from the RTL8125B on; default: 1",
    check: (text, operands) => parseQueues(text, chipOf(operands)),
  },
  threads: {
    kind: "value",
    placeholder: "WHICH",
    summary: "threads that poll several queues: one for all, or one for each",
    default: "one",
    check: parseThreads,
  },
  mac: {
    kind: "value",
    placeholder: "ADDRESS",
    summary: "MAC address to use; default: the card's own, which is restored at the end",
    check: parseStationAddress,
  },
  wake: {
    kind: "value",
    placeholder: "FORMS",
    summary:
      "wake-up events: p link, u unicast, m multicast, b broadcast, g magic packet; d none. They stay armed after SIGTERM",
    check: parseWake,
  },
  firmware: {
    kind: "value",
    placeholder: "FOLDER",
    summary: "folder of the PHY's firmware (FOLDER/rtl_nic/*.fw); default: the system's folders",
  },
  capture: {
    kind: "value",
    placeholder: "FILE",
    summary: "capture the wire's frames in a pcapng file; - for stdout",
  },
  "capture-host": {
    kind: "value",
    placeholder: "FILE",
    summary: "capture the host side's frames in a pcapng file",
  },
  "unsafe-noiommu": {
    kind: "flag",
    summary: "use a card without an IOMMU: it can access all of this machine's memory (root only; for trials)",
  },
  ethtool: {
    kind: "value",
    placeholder: "SETTINGS",
    summary:
      "settings of `ferrule ethtool` to apply once the NIC is up, in order: '-G rx 1024; -K tso off'; a list in --config",
    list: true,
    check: (text) => parseSettings(text),
  },
  metrics: {
    kind: "value",
    placeholder: "ADDRESS",
    summary: "serve metrics for Prometheus at http://ADDRESS/metrics: 127.0.0.1:PORT, [::1]:PORT or unix:PATH",
    check: (text) => parseMetricsAddress(text, true),
  },
  "metrics-public": {
    kind: "flag",
    summary: "let --metrics listen at an address that other machines can reach; everyone there can read the metrics",
  },
  detach: { kind: "flag", summary: "continue in the background; use `ferrule status` and `ferrule down`" },
  log: {
    kind: "value",
    placeholder: "FILE",
    summary: "file to which --detach appends events; default: the system's journal",
  },
  "wait-for-card": {
    kind: "value",
    placeholder: "SECONDS",
    summary: "how long to wait for a card that no longer responds; with 0 the session ends at once",
    default: "2",
    check: (text) => parseWait(text),
  },
  "sleep-without-link": {
    kind: "value",
    placeholder: "SECONDS",
    summary: "time without a link after which the NIC sleeps until it has one again; default: never",
    check: (text) => parseIdle(text),
  },
  config: CONFIG_OPTION,
  ...LOG_OPTIONS,
} as const satisfies Options;
