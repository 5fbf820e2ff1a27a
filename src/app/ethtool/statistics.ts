/**
 * `-S` and `--phy-statistics`. They show the chip's own counters under the names of Linux's driver or in the groups of
 * IEEE 802.3, the counters of each queue if there are several, and those of the PHY.
 */
import type { Tally } from "#driver/tally.ts";
import type { QueueCounts } from "../counters.ts";
import { BadLine, flag, type Group } from "./flag.ts";

/** Counters that every chip has: the name in this driver, and the name in Linux's driver. */
const NAMES = [
  ["txPackets", "tx_packets"],
  ["rxPackets", "rx_packets"],
  ["txErrors", "tx_errors"],
  ["rxErrors", "rx_errors"],
  ["rxMissed", "rx_missed"],
  ["alignErrors", "align_errors"],
  ["txOneCollision", "tx_single_collisions"],
  ["txMultiCollision", "tx_multi_collisions"],
  ["rxUnicast", "unicast"],
  ["rxBroadcast", "broadcast"],
  ["rxMulticast", "multicast"],
  ["txAborted", "tx_aborted"],
  ["txUnderrun", "tx_underrun"],
] as const satisfies readonly (readonly [keyof Tally, string])[];

/**
 * The counters of IEEE 802.3, 30.3.1.1 and 30.3.3.4, in the kernel's order. Counters that a chip does not have are
 * omitted.
 */
const STANDARD = [
  ["eth-mac", "FramesTransmittedOK", "txPackets"],
  ["eth-mac", "SingleCollisionFrames", "txOneCollision"],
  ["eth-mac", "MultipleCollisionFrames", "txMultiCollision"],
  ["eth-mac", "FramesReceivedOK", "rxPackets"],
  ["eth-mac", "AlignmentErrors", "alignErrors"],
  ["eth-mac", "OctetsTransmittedOK", "txOctets"],
  ["eth-mac", "LateCollisions", "txLateCollision"],
  ["eth-mac", "FramesAbortedDueToXSColls", "txAborted32"],
  ["eth-mac", "FramesLostDueToIntMACXmitError", "txUnderrun"],
  ["eth-mac", "OctetsReceivedOK", "rxOctets"],
  ["eth-mac", "FramesLostDueToIntMACRcvError", "rxMacError"],
  ["eth-mac", "MulticastFramesXmittedOK", "txMulticast64"],
  ["eth-mac", "BroadcastFramesXmittedOK", "txBroadcast64"],
  ["eth-mac", "MulticastFramesReceivedOK", "rxMulticast"],
  ["eth-mac", "BroadcastFramesReceivedOK", "rxBroadcast"],
  ["eth-mac", "FrameTooLongErrors", "rxFrameTooLong"],
  ["eth-ctrl", "UnsupportedOpcodesReceived", "rxUnknownOpcode"],
] as const satisfies readonly (readonly [group: string, name: string, ours: keyof Tally])[];
const GROUPS: readonly string[] = ["eth-phy", "eth-mac", "eth-ctrl", "rmon", "phydev"];

type Statistics = Readonly<Record<string, number>>;

const underscored = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** All counters with their names: first those that Linux's driver shows, then counters of later chips that it omits. */
const named = (tally: Statistics): readonly (readonly [name: string, value: number])[] => {
  const known = new Set<string>(NAMES.map(([ours]) => ours));
  const others = Object.keys(tally).filter((name) => !known.has(name));
  const all = [...NAMES, ...others.map((name) => [name, underscored(name)] as const)];
  return all.map(([ours, name]) => [name, tally[ours]!]);
};

/**
 * Parses `--groups NAME…` or `--all-groups`. Returns the requested groups, separated by commas; empty for the chip's
 * own counters.
 */
const groupsOf = (words: readonly string[]): { readonly groups: string } => {
  if (words.length === 0) return { groups: "" };
  if (words[0] === "--all-groups" && words.length === 1) return { groups: GROUPS.join() };
  const [option, ...names] = words;
  if (option !== "--groups" || names.length === 0 || !names.every((name) => GROUPS.includes(name))) throw new BadLine();
  return { groups: names.join() };
};

/** The counters of one group that this chip has. */
const groupOf = (tally: Statistics, wanted: string): readonly (readonly [name: string, value: number])[] =>
  STANDARD.flatMap(([group, name, ours]) => {
    const value = tally[ours];
    return group === wanted && value !== undefined ? [[name, value] as const] : [];
  });

/** The counters of the PHY; those that this chip does not have are omitted. */
const ofPhy = ({ idleErrors, linkLosses }: Statistics): Statistics => ({
  ...(idleErrors === undefined ? {} : { phy_idle_errors: idleErrors }),
  phy_link_losses: linkLosses!,
});

/** The counters of each queue, under the names that Intel's drivers use. */
const ofQueues = (queues: readonly QueueCounts[]): Statistics =>
  Object.fromEntries(
    queues.length < 2
      ? []
      : queues.flatMap(({ sentFrames, sentBytes, receivedFrames, receivedBytes, receiveErrors }, i) => [
          [`tx_queue_${i}_packets`, sentFrames],
          [`tx_queue_${i}_bytes`, sentBytes],
          [`rx_queue_${i}_packets`, receivedFrames],
          [`rx_queue_${i}_bytes`, receivedBytes],
          [`rx_queue_${i}_errors`, receiveErrors],
        ]),
  );

export const statistics: Group = {
  operations: {
    statistics: ({ nic, queueCounts }) => ({ ...nic.tally(), ...ofQueues(queueCounts()) }),
    phyStatistics: ({ nic }) => nic.phy.statistics(),
  },
  flags: [
    flag<Statistics>({
      names: ["-S", "--statistics"],
      words: "[--all-groups | --groups NAME...]",
      summary: "show the chip's counters",
      operation: "statistics",
      failure: ["Cannot get stats strings information: %"],
      exit: 96,
      argument: groupsOf,
      lines: (tally, name, { groups }) => {
        if (groups === "")
          return ["NIC statistics:", ...named(tally).map(([counter, value]) => `     ${counter}: ${value}`)];
        const lines = String(groups)
          .split(",")
          .flatMap((group) => groupOf(tally, group).map(([counter, value]) => `${group}-${counter}: ${value}`));
        return [`Standard stats for ${name}:`, ...lines];
      },
      json: (tally, { groups }) =>
        groups === ""
          ? Object.fromEntries(named(tally))
          : Object.fromEntries(
              String(groups)
                .split(",")
                .map((group) => [group, Object.fromEntries(groupOf(tally, group))]),
            ),
    }),
    flag<Statistics>({
      names: ["--phy-statistics"],
      words: "",
      summary: "show the PHY's counters",
      operation: "phyStatistics",
      failure: ["Cannot get stats strings information: %"],
      exit: 96,
      lines: (counters) => [
        "PHY statistics:",
        ...Object.entries(ofPhy(counters)).map(([counter, value]) => `     ${counter}: ${value}`),
      ],
      json: ofPhy,
    }),
  ],
};
