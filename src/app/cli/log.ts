/**
 * The log of a data plane's events. Each event has a level, and is written as one line of text or as one line of JSON.
 */
import type { ServeNotice } from "./serve-events.ts";
import type { UpEvent } from "./up-events.ts";
import { WrongUsage } from "../terminal/usage.ts";

/** The levels, from errors that end the command to details for debugging. */
export const LEVELS = ["error", "warning", "info", "debug"] as const;
export type Level = (typeof LEVELS)[number];

export type LoggedEvent = UpEvent | ServeNotice;

const LEVEL_OF = {
  failed: "error",
  warning: "warning",
  offence: "warning",
  up: "info",
  down: "info",
  carrier: "info",
  power: "info",
  link: "info",
  wire: "info",
  renamed: "info",
  serving: "info",
  stopped: "info",
  client: "info",
  bus: "info",
  wake: "info",
  firmware: "debug",
  quirks: "debug",
  note: "debug",
} as const satisfies Record<LoggedEvent["kind"], Level>;

/** Whether an event is reported at this level. */
export const isLogged = ({ kind }: LoggedEvent, level: Level): boolean =>
  LEVELS.indexOf(LEVEL_OF[kind]) <= LEVELS.indexOf(level);

/**
 * An event as a JSON object; field `event` is its name, field `level` its severity.
 * @param about fields that every line has
 */
export const logJson = (event: LoggedEvent, about: object = {}): string => {
  const { kind, ...rest } = event;
  return JSON.stringify({ event: kind, ...about, ...rest, level: LEVEL_OF[kind] });
};

/** @throws {WrongUsage} */
export const parseLevel = (text: string): Level => {
  const level = LEVELS.find((known) => known === text);
  if (level === undefined) throw new WrongUsage(`--log-level takes ${LEVELS.join(", ")}, not "${text}"`, HINT);
  return level;
};
const HINT = "info reports changes of link, wire and clients as well as warnings; debug reports everything.";

export const LOG_OPTIONS = {
  "log-level": {
    kind: "value",
    placeholder: "LEVEL",
    summary: "which events to report: error, warning, info or debug; each level includes those before it",
    default: "info",
    check: parseLevel,
  },
  json: { kind: "flag", summary: "print events as JSON, one object a line" },
} as const;
