/** `-l`, `-x` and `-X`: the number of receive queues, and their indirection table. */
import type { QueueCounts } from "../counters.ts";
import type { Argument } from "../argument.ts";
import { BadLine, flag, type Group, NotSupported, unsupported } from "./flag.ts";
import { taking } from "./words.ts";

interface Spread {
  readonly queues: number;
  readonly key: readonly number[];
  readonly table: readonly number[];
}

const ONE_QUEUE = "The NIC uses one queue. If the chip has more, `ferrule up --queues N` uses them.";
const FIXED = "The number of queues is set at the start: `ferrule up --queues N`.";
const ROW = 8;

/** Parses `equal N` or `default`, and `hkey AA:BB:…`. */
const spreadOf = (words: readonly string[]): Argument => {
  const argument: Record<string, number | readonly number[]> = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === "default") argument["equal"] = 0;
    else if (word === "equal" && /^[1-9][0-9]*$/.test(words[i + 1] ?? "")) argument["equal"] = Number(words[++i]);
    else if (word === "hkey" && /^[0-9a-f]{2}(:[0-9a-f]{2})*$/i.test(words[i + 1] ?? ""))
      argument["key"] = words[++i]!.split(":").map((byte) => Number.parseInt(byte, 16));
    else throw new BadLine();
  }
  if (words.length === 0) throw new BadLine();
  return argument;
};

export const queues: Group = {
  operations: {
    queues: ({ queueCounts }): { readonly counts: readonly QueueCounts[] } => ({ counts: queueCounts() }),
    channels: ({ nic }) => {
      const now = nic.running ? nic.queues.length : 1;
      const most = nic.chip.profile.queues.receive;
      if (most === 1) throw new NotSupported("This chip has one queue.");
      return { now, most };
    },
    setChannels: unsupported(FIXED),
    spread: ({ nic }): Spread => {
      if (nic.rss === undefined) throw new NotSupported(ONE_QUEUE);
      const { key, table } = nic.rss.settings;
      return { queues: nic.running ? nic.queues.length : 1, key: [...key], table: [...table] };
    },
    setSpread: taking({ equal: "number", key: "bytes" }, ({ nic }, { equal, key }) => {
      const { rss } = nic;
      if (rss === undefined) throw new NotSupported(ONE_QUEUE);
      rss.set({
        ...(typeof equal === "number" && { table: rss.spread(equal === 0 ? undefined : equal) }),
        ...(typeof key === "object" && { key: Uint8Array.from(key) }),
      });
      return {};
    }),
  },
  flags: [
    flag<{ readonly now: number; readonly most: number }>({
      names: ["-l", "--show-channels"],
      words: "",
      summary: "show the number of receive queues",
      operation: "channels",
      exit: 1,
      lines: ({ now, most }, name) => [
        `Channel parameters for ${name}:`,
        "Pre-set maximums:",
        `RX:\t\t${most}`,
        "TX:\t\tn/a",
        "Other:\t\tn/a",
        "Combined:\tn/a",
        "Current hardware settings:",
        `RX:\t\t${now}`,
        "TX:\t\tn/a",
        "Other:\t\tn/a",
        "Combined:\tn/a",
      ],
      json: ({ now, most }) => ({ "rx-max": most, rx: now }),
    }),
    flag({
      names: ["-L", "--set-channels"],
      words: "",
      summary: "set the number of receive queues (only at the start: `ferrule up --queues`)",
      operation: "setChannels",
      exit: 1,
      argument: () => ({}),
      lines: () => [],
    }),
    flag<Spread>({
      names: ["-x", "--show-rxfh-indir", "--show-rxfh"],
      words: "",
      summary: "show the receive hash indirection table, and the hash key",
      operation: "spread",
      exit: 1,
      lines: ({ queues: count, key, table }, name) => [
        `RX flow hash indirection table for ${name} with ${count} RX ring(s):`,
        ...Array.from({ length: Math.ceil(table.length / ROW) }, (_, row) => {
          const cells = table.slice(row * ROW, (row + 1) * ROW).map((queue) => ` ${String(queue).padStart(5)}`);
          return `${String(row * ROW).padStart(5)}: ${cells.join("")}`;
        }),
        "RSS hash key:",
        key.map((byte) => byte.toString(16).padStart(2, "0")).join(":"),
        "RSS hash function:",
        "    toeplitz: on",
      ],
      json: ({ key, table }) => ({
        "rss-indirection-table": table,
        "rss-hash-key": key,
        "rss-hash-function": "toeplitz",
      }),
    }),
    flag({
      names: ["-X", "--set-rxfh-indir", "--rxfh"],
      words: "[equal N | default] [hkey AA:BB:...]",
      summary: "set the receive hash indirection table, and the hash key",
      operation: "setSpread",
      failure: ["Cannot get RX ring count: %"],
      exit: 1,
      argument: spreadOf,
      lines: () => [],
    }),
  ],
};
