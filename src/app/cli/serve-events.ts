/** Output of `ferrule model serve`: one line, or one JSON object, per event; and live counters. */
import type { Privileges } from "#sys/privileges.ts";
import type { ServeEvent } from "../serve/serve-messages.ts";
import type { ServeStatistics } from "../counters.ts";
import { amount, bitRate, clockTime, count, counted, fitted, linkSpeed, rate } from "../terminal/format.ts";
import type { CounterSample } from "./reporter.ts";
import type { Stream } from "../terminal/terminal.ts";

export type ServeNotice =
  | {
      readonly kind: "serving";
      readonly chip: string;
      readonly mac: string;
      readonly socket: string;
      readonly wire: string;
      readonly qemu: readonly string[];
      readonly pid: number;
      readonly privileges: Privileges;
    }
  | ServeEvent
  | { readonly kind: "stopped"; readonly reason: string; readonly statistics: ServeStatistics };

/** Number of accesses that are shown before an offence; the trace file has all accesses. */
const SHOWN_ACCESSES = 6;

const offenceLines = (event: ServeEvent & { kind: "offence" }, paint: Stream["paint"]): readonly string[] => {
  const { name, because, hardware, where, trace } = event.offence;
  return [
    `${paint("yellow", "offence")} ${name} at 0x${where.toString(16)}: ${because}. Real hardware: ${hardware}`,
    ...trace.slice(-SHOWN_ACCESSES).map((line) => paint("dim", `    ${line}`)),
  ];
};

/** The arguments that give a guest this NIC, as one command for a shell. */
export const qemuArguments = (socket: string): readonly string[] => {
  const device = { driver: "vfio-user-pci", socket: { type: "unix", path: socket } };
  // To write a quote within single quotes: close them, add the quote, and open them again.
  const json = JSON.stringify(device).replaceAll("'", String.raw`'\''`);
  return [
    "-m 1G -machine q35,memory-backend=ram",
    "-object memory-backend-memfd,id=ram,size=1G,share=on",
    `-device '${json}'`,
  ];
};

const ending = (statistics: ServeStatistics): string =>
  [
    counted(statistics.clients, "client"),
    `guest sent ${counted(statistics.sentFrames, "frame")} (${amount(statistics.sentBytes)})`,
    `got ${count(statistics.receivedFrames)} (${amount(statistics.receivedBytes)})`,
    `refused ${count(statistics.refusedFrames)}`,
    `lost on the wire ${count(statistics.wireDrops)}`,
    `offences ${count(statistics.offences)}`,
  ].join(", ");

export const noticeLines = (notice: ServeNotice, { paint }: Pick<Stream, "paint">): readonly string[] => {
  switch (notice.kind) {
    case "serving":
      return [
        `serving ${notice.chip}, ${notice.mac}, at ${notice.socket}, wire ${notice.wire}`,
        "Use it in a guest with QEMU 10.1 or newer:",
        "",
        ...["  qemu-system-x86_64 …", ...notice.qemu.map((words) => `    ${words}`)].map((line, i) =>
          i < notice.qemu.length ? `${line} \\` : line,
        ),
        "",
        `Faults, link changes and counters: ferrule model ctl ${notice.socket} show`,
      ];
    case "client":
      if (notice.connected) return [`client ${notice.client} connected`];
      if (notice.client === 0) return [`a client was rejected: ${notice.why}`];
      return [`client ${notice.client} disconnected${notice.why === "" ? "" : `: ${notice.why}`}`];
    case "offence":
      return offenceLines(notice, paint);
    case "link": {
      const duplex = notice.fullDuplex ? "full" : "half";
      return [notice.up ? `link up, ${linkSpeed(notice.speed)}, ${duplex} duplex` : "link down"];
    }
    case "wire":
      return [notice.plugged ? "wire plugged" : `wire unplugged: ${notice.why}`];
    case "bus":
      return [
        notice.answers
          ? "the NIC responds on the bus again"
          : "the NIC left the bus: it does not respond until it is reset (`model ctl SOCKET power`) or another client connects",
      ];
    case "wake":
      return ["the NIC requests a wake-up of the guest (PME)"];
    case "warning":
      return [`warning: ${notice.message} (${notice.hint})`];
    case "failed":
      return [`failed: ${notice.error.message}`];
    case "stopped":
      return [`stopped (${notice.reason}): ${ending(notice.statistics)}`];
    default:
      return notice satisfies never;
  }
};

/** The live counters: two lines that fit the terminal. */
export const serveView = (
  { upSeconds, before, now, elapsedSeconds }: CounterSample<ServeStatistics>,
  columns: number,
): readonly string[] => {
  const perSecond = (name: keyof ServeStatistics): number => Math.max(0, now[name] - before[name]) / elapsedSeconds;
  const link = now.linkUp === 1 ? linkSpeed(now.linkSpeed) : "link down";
  const guest = now.connected === 1 ? `client ${now.clients}` : "no client";
  return [
    `${clockTime(upSeconds)}  ${guest}, ${link}  out ${bitRate(8 * perSecond("sentBytes"))}  in ${bitRate(8 * perSecond("receivedBytes"))}`,
    `requests ${rate(perSecond("requests"))}/s  missed ${count(now.missedFrames)}  lost on the wire ${count(now.wireDrops)}  offences ${count(now.offences)}`,
  ].map((line) => fitted(line, columns - 1));
};
