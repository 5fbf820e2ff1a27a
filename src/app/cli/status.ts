/** `ferrule status`: running sessions and their counters. */
import { parseInterfaceName } from "../terminal/usage.ts";
import { findAll, findUp } from "../control/find-up.ts";
import type { QueueCounts } from "../counters.ts";
import type { Status } from "../control/status.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { printFailure } from "./failure.ts";
import { amount, clockTime, counted, linkSpeed, table } from "../terminal/format.ts";
import { problems } from "./live-view.ts";
import type { Stream } from "../terminal/terminal.ts";

type Painter = Pick<Stream, "paint">;

const link = ({ statistics }: Status, stream: Painter): string => {
  if (statistics === undefined) return "starting";
  if (statistics.linkUp === 0) return stream.paint("yellow", "down");
  const duplex = statistics.linkFullDuplex === 1 ? "" : ", half duplex";
  return stream.paint("green", `${linkSpeed(statistics.linkSpeed)}${duplex}`);
};

const errors = ({ statistics }: Status, stream: Painter): string =>
  statistics === undefined ? "-" : problems(statistics, (style, text) => stream.paint(style, text));

const HEADING = ["INTERFACE", "DEVICE", "CHIP", "LINK", "UP FOR", "SENT", "RECEIVED", "PROCESS", "ERRORS"];

const row = (status: Status, stream: Painter): readonly string[] => {
  const { now, device, facts, statistics, upSeconds, pid } = status;
  const moved = [statistics?.sentBytes, statistics?.receivedBytes].map((n) => (n === undefined ? "-" : amount(n)));
  return [
    now,
    device,
    facts?.chip ?? "-",
    link(status, stream),
    clockTime(upSeconds),
    ...moved,
    `${pid}`,
    errors(status, stream),
  ];
};

/** All sessions, one line each. */
export const statusTable = (all: readonly Status[], stream: Painter): readonly string[] =>
  table([HEADING, ...all.map((each) => row(each, stream))], "lllllrrrl");

const traffic = (frames: number, bytes: number): string => `${counted(frames, "frame")}, ${amount(bytes)}`;

const queueRow = ({ sentFrames, sentBytes, receivedFrames, receivedBytes }: QueueCounts, queue: number): string[] => [
  `queue ${queue}`,
  `sent ${traffic(sentFrames, sentBytes)}; received ${traffic(receivedFrames, receivedBytes)}`,
];

/** All facts and counters of one session. */
export const statusLines = (status: Status, stream: Painter): readonly string[] => {
  const { interface: first, now, device, wire, facts, statistics, upSeconds, pid } = status;
  const rows = [
    ["interface", now === first ? now : `${now}, started as ${first}`],
    ["device", device],
    ...(facts === undefined
      ? []
      : [
          ["chip", `${facts.chip} (XID ${facts.xid.toString(16)})`],
          ["address", facts.mac],
        ]),
    ...(wire === undefined ? [] : [["wire", wire]]),
    ["link", link(status, stream)],
    ["process", `${pid}, up for ${clockTime(upSeconds)}`],
  ];
  if (facts === undefined || statistics === undefined) return table(rows, "ll");
  return table(
    [
      ...rows,
      ["MTU", `${statistics.mtu}`],
      ["rings", `${facts.ringSlots} descriptors each`],
      ["queues", `${facts.queues.receive} receive, ${facts.queues.transmit} transmit`],
      ["offloads", facts.offloads.join(", ")],
      ["sent", traffic(statistics.sentFrames, statistics.sentBytes)],
      ["received", traffic(statistics.receivedFrames, statistics.receivedBytes)],
      ...(statistics.queues.length > 1 ? statistics.queues.map(queueRow) : []),
      ["interrupts", counted(statistics.interrupts, "interrupt")],
      ["errors", errors(status, stream)],
    ],
    "ll",
  );
};

export const status = command({
  name: "status",
  summary: "show running sessions of `ferrule up`, and their counters",
  about: [
    "Without NAME, one line for each `ferrule up` that was started in this network namespace by the same user; as root,",
    "by any user. With NAME, all facts about that session. --json prints every counter.",
  ].join("\n"),
  operands: [{ placeholder: "NAME", summary: "an interface's name, as for `ferrule down`; optional", optional: true }],
  options: { json: JSON_OPTION },
  examples: ["npx ferrule status", "npx ferrule status fe0 --json"],
  async run({ values, operands: [typed], terminal }) {
    if (typed !== undefined) {
      const found = await findUp(parseInterfaceName(typed));
      if (values.json) printJson(terminal, found);
      else printLines(terminal, statusLines(found, terminal.out));
      return Exit.done;
    }
    const { found, errors: failures } = await findAll();
    for (const error of failures) printFailure(terminal, error);
    if (values.json) printJson(terminal, found);
    else if (found.length > 0) printLines(terminal, statusTable(found, terminal.out));
    else terminal.err.line("Nothing is up in this network namespace. `ferrule up DEVICE` brings a NIC up.");
    return failures.length === 0 ? Exit.done : Exit.failed;
  },
});
