/** The live view of `ferrule up`: a pure function of two samples of the counters. */
import type { SessionFacts } from "../session.ts";
import type { CounterName, QueueCounts, Statistics } from "../counters.ts";
import { amount, bar, bitRate, clockTime, count, counted, fitted, linkSpeed, rate, table } from "../terminal/format.ts";
import type { CounterSample } from "./reporter.ts";
import type { Stream } from "../terminal/terminal.ts";
import { visiblePainted } from "../terminal/visible.ts";

export interface Watch extends CounterSample<Statistics> {
  readonly facts: SessionFacts;
  /** The wire as given on the command line; undefined if it belongs to another process. */
  readonly wire: string | undefined;
}

type Paint = Stream["paint"];

/**
 * Counters that should be 0, with the text that is displayed: the singular, and the plural if that is not the
 * singular with -s.
 */
const PROBLEMS = [
  ["sendDrops", "send drop"],
  ["receiveDrops", "receive drop"],
  ["wireDrops", "wire drop"],
  ["missedFrames", "missed by the NIC", "missed by the NIC"],
  ["receiveErrors", "receive error"],
  ["deviceNonsense", "invalid device data", "invalid device data"],
  ["fifoOverflows", "FIFO overflow"],
  ["restarts", "restart"],
  ["phyLosses", "PHY restart"],
  ["absences", "absence"],
  ["lostInterrupts", "lost interrupt"],
  ["lostDoorbells", "lost doorbell"],
  ["overdueWaits", "overdue wait"],
  ["offences", "offence"],
  ["spuriousInterrupts", "spurious interrupt"],
] as const;

/** Counters that do not mean a loss or an error: spurious interrupts are tolerated by design. */
const HARMLESS: ReadonlySet<string> = new Set(["spuriousInterrupts"]);

/** Problems so far, such as "3 send drops, 1 offence". */
export const problems = (now: Statistics, paint: Paint): string => {
  const seen = PROBLEMS.filter(([name]) => now[name] > 0);
  if (seen.length === 0) return paint("green", "none");
  return seen
    .map(([name, one, several]) => paint(HARMLESS.has(name) ? "dim" : "red", counted(now[name], one, several)))
    .join(", ");
};

const link = (now: Statistics, paint: Paint): string => {
  if (now.linkUp === 0) return paint("yellow", "down");
  const duplex = now.linkFullDuplex === 1 ? "full duplex" : "half duplex";
  return `${paint("green", "up")}, ${linkSpeed(now.linkSpeed)} ${duplex}, MTU ${now.mtu}`;
};

const perSecond = (watch: Watch, name: CounterName): number =>
  Math.max(0, watch.now[name] - watch.before[name]) / watch.elapsedSeconds;

const direction = (watch: Watch, label: string, frames: CounterName, bytes: CounterName): string[] => [
  label,
  rate(perSecond(watch, frames)),
  bitRate(perSecond(watch, bytes) * 8),
  count(watch.now[frames]),
  amount(watch.now[bytes]),
];

/** A line for each queue, if there are several. */
const queueLines = ({ now, before, elapsedSeconds }: Watch): readonly string[] => {
  if (now.queues.length < 2) return [];
  const rows = now.queues.map((queue, i) => {
    const each = (name: keyof QueueCounts): number =>
      Math.max(0, queue[name] - (before.queues[i]?.[name] ?? 0)) / elapsedSeconds;
    return [
      `queue ${i}`,
      rate(each("sentFrames")),
      bitRate(each("sentBytes") * 8),
      rate(each("receivedFrames")),
      bitRate(each("receivedBytes") * 8),
    ];
  });
  return ["", ...table([["", "sent/s", "rate", "received/s", "rate"], ...rows], "lrrrr")];
};

const ring = (fill: number, slots: number): string => {
  // Just after the number of descriptors was changed, the counters may still be those of the old rings.
  const shown = Math.min(Math.max(0, fill), slots);
  return `${bar(shown / slots, 12)} ${shown}/${slots}`;
};

const interrupts = (watch: Watch): string => {
  const perInterrupt = perSecond(watch, "interrupts");
  const frames = perSecond(watch, "sentFrames") + perSecond(watch, "receivedFrames");
  const each = perInterrupt === 0 ? "" : `, ${(frames / perInterrupt).toFixed(1)} frames each`;
  return `${rate(perInterrupt)} a second${each}`;
};

const wire = ({ wire: name, facts, now }: Watch): string =>
  name === undefined
    ? `behind ${facts.device}`
    : `${name}, ${counted(now.wireSentFrames, "frame")} out, ${count(now.wireReceivedFrames)} in`;

/** The lines of the view, which are narrower than `columns`. */
export const liveView = (watch: Watch, stream: Pick<Stream, "paint">, columns: number): readonly string[] => {
  const paint: Paint = (style, text) => stream.paint(style, text);
  const { facts, now } = watch;
  const { receive, transmit } = facts.queues;
  const slots = { receive: receive * facts.ringSlots, transmit: transmit * facts.ringSlots };
  const lines = [
    `${paint("bold", facts.interfaceName)}  ${facts.chip} (XID ${facts.xid.toString(16)})  ${facts.mac}  ${clockTime(watch.upSeconds)}`,
    "",
    ...table(
      [
        ["", "frames/s", "rate", "frames", "data"],
        direction(watch, "sent", "sentFrames", "sentBytes"),
        direction(watch, "received", "receivedFrames", "receivedBytes"),
      ],
      "lrrrr",
    ),
    ...queueLines(watch),
    "",
    ...table(
      [
        ["link", link(now, paint)],
        ["wire", wire(watch)],
        [
          "rings",
          // For the transmit ring, the descriptors shown are those that the NIC has not processed yet; for the receive
          // ring, those with frames that the host has not taken yet.
          `transmit ${ring(now.transmitFill, slots.transmit)}  receive ${ring(slots.receive - now.receiveFill, slots.receive)}`,
        ],
        ...(receive > 1 ? [["queues", `${receive} receive, ${transmit} transmit`]] : []),
        ["interrupts", interrupts(watch)],
        ["errors", problems(now, paint)],
      ],
      "ll",
    ),
    "",
    paint("dim", `Ctrl-C takes ${facts.interfaceName} down.`),
  ];
  // Lines must not wrap, because the view is redrawn in place; a line that fills the last column may wrap.
  return lines.map((line) => fitted(line, columns - 1));
};

/** Draws a view over the previous one. */
export class LiveLines {
  readonly #stream: Stream;
  #height = 0;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  draw(picture: readonly string[]): void {
    // Lines that do not fit on the screen are omitted. They would make the screen scroll, and the next view would be
    // drawn in the wrong place.
    const lines = picture.slice(0, this.#stream.rows() - 1);
    const up = this.#height > 0 ? `\u001b[${this.#height}A` : "";
    const body = lines.map((line) => `${visiblePainted(line)}\u001b[K\n`).join("");
    // A view is written at once, because two writes would flicker. The final J sequence clears the lines that remain of
    // a taller view.
    this.#stream.write(`${up}\r${body}\u001b[J`);
    this.#height = lines.length;
  }

  /** Writes a permanent line where the view was; the next view is drawn below it. */
  above(line: string): void {
    const up = this.#height > 0 ? `\u001b[${this.#height}A` : "";
    this.#stream.write(`${up}\r\u001b[J${visiblePainted(line)}\n`);
    this.#height = 0;
  }
}
