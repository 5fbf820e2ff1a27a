/** Events of `ferrule up` without the live view: one line, or one JSON object, per event. */
import type { Privileges } from "#sys/privileges.ts";
import type { SessionEvent, SessionFacts } from "../session.ts";
import type { Statistics } from "../counters.ts";
import { amount, count, counted, linkSpeed } from "../terminal/format.ts";
import { problems } from "./live-view.ts";
import type { Stream } from "../terminal/terminal.ts";

export type UpEvent =
  | {
      readonly kind: "up";
      readonly facts: SessionFacts;
      readonly wire?: string;
      readonly pid: number;
      readonly privileges: Privileges;
    }
  | SessionEvent
  | { readonly kind: "down"; readonly reason: string; readonly statistics: Statistics };

const sentence = (event: UpEvent, stream: Pick<Stream, "paint">): string => {
  switch (event.kind) {
    case "up": {
      const { facts } = event;
      const wire = event.wire === undefined ? "" : `, wire ${event.wire}`;
      return `up: ${facts.chip} (XID ${facts.xid.toString(16)}), ${facts.mac}${wire}; offloads: ${facts.offloads.join(", ")}`;
    }
    case "carrier": {
      const duplex = event.fullDuplex ? "full" : "half";
      return event.up ? `carrier up, ${linkSpeed(event.speed)}, ${duplex} duplex` : "carrier down";
    }
    case "wire":
      return event.plugged ? "wire plugged" : `wire unplugged: ${event.why}`;
    case "firmware":
      return `debug: the PHY runs with firmware ${event.version} (${event.file})`;
    case "quirks":
      return `debug: quirks of this chip: ${event.names.join(", ")}`;
    case "power":
      if (event.state === "idle") return "asleep until there is a link";
      if (event.state === "suspended")
        return `asleep; ${event.armed === "d" ? "nothing wakes it" : `woken by: ${event.armed}`}`;
      return event.woken ? "awake: woken by a wake-up event" : "awake";
    case "renamed":
      return `the interface was renamed to ${event.name}`;
    case "warning":
      return `warning: ${event.message} (${event.hint})`;
    case "note":
      return `debug: ${event.message}`;
    case "failed":
      return `failed: ${event.error.message}`;
    case "down": {
      const { statistics } = event;
      const paint: Stream["paint"] = (style, text) => stream.paint(style, text);
      const moved = [
        `sent ${counted(statistics.sentFrames, "frame")} (${amount(statistics.sentBytes)})`,
        `received ${count(statistics.receivedFrames)} (${amount(statistics.receivedBytes)})`,
      ];
      return `down (${event.reason}): ${moved.join(", ")}; errors: ${problems(statistics, paint)}`;
    }
    default:
      return event satisfies never;
  }
};

export const eventLine = (name: string, event: UpEvent, stream: Pick<Stream, "paint">): string =>
  `${name}: ${sentence(event, stream)}`;
