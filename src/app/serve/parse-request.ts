/** Parses and checks requests from a socket. */
import { DIRECTIONS, type Direction, IMPAIRMENTS, type ImpairmentName } from "#host/impaired-lane.ts";
import { LINK_SPEEDS, type LinkSpeed, type PartnerAbilities } from "#model/phy/link-partner.ts";
import type { ControlRequest } from "./requests.ts";

type Fields = Readonly<Record<string, unknown>>;

const PLAIN = ["show", "state", "magic", "reset", "power", "unplug", "disconnect", "stop"] as const;
const isPlain = (text: unknown): text is (typeof PLAIN)[number] => PLAIN.some((name) => name === text);
const isDirection = (text: unknown): text is Direction => DIRECTIONS.some((name) => name === text);
const isImpairment = (text: unknown): text is ImpairmentName => IMPAIRMENTS.some((name) => name === text);
const isSpeed = (value: unknown): value is LinkSpeed => LINK_SPEEDS.some((speed) => speed === value);
const isNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);

/** The named fields, if each of them is a number or absent; otherwise undefined. */
const numbers = (fields: Fields, ...names: readonly string[]): Record<string, number> | undefined => {
  const found: Record<string, number> = {};
  for (const name of names) {
    const value = fields[name];
    if (value === undefined) continue;
    if (!isNumber(value)) return undefined;
    found[name] = value;
  }
  return found;
};

const directionsOf = (value: unknown): readonly Direction[] | undefined =>
  Array.isArray(value) && value.length > 0 && value.every(isDirection) ? value : undefined;

const words = (text: unknown, known: readonly string[]): boolean =>
  text === undefined || (typeof text === "string" && known.includes(text));

const abilitiesOf = (value: unknown): PartnerAbilities | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const { speeds, duplex, pause, eee, negotiates } = value as Fields;
  const flags = [eee, negotiates].every((flag) => flag === undefined || typeof flag === "boolean");
  const listed = speeds === undefined || (Array.isArray(speeds) && speeds.length > 0 && speeds.every(isSpeed));
  return listed &&
    flags &&
    words(duplex, ["both", "full", "half"]) &&
    words(pause, ["none", "symmetric", "transmit", "both"])
    ? value
    : undefined;
};

/** Parses a request; returns undefined if it is invalid. The device decides whether a valid request can be executed. */
export const parseServeRequest = (value: unknown): ControlRequest | undefined => {
  if (typeof value !== "object" || value === null) return undefined;
  const fields = value as Fields;
  const { command, name } = fields;
  if (isPlain(command)) return { command };
  const directions = directionsOf(fields["directions"]);
  switch (command) {
    case "link":
      return typeof fields["up"] === "boolean" ? { command, up: fields["up"] } : undefined;
    case "partner": {
      const abilities = abilitiesOf(fields["abilities"]);
      return abilities && { command, abilities };
    }
    case "wire": {
      const rest = numbers(fields, "probability", "count", "micros");
      return isImpairment(name) && directions && rest ? { command, name, directions, ...rest } : undefined;
    }
    case "clearWire":
      return directions && { command, directions };
    case "seed":
      return isNumber(fields["seed"]) ? { command, seed: fields["seed"] } : undefined;
    case "fault": {
      const rest = numbers(fields, "count");
      return typeof name === "string" && rest ? { command, name, ...rest } : undefined;
    }
    case "clearFault":
      if (name === undefined) return { command };
      return typeof name === "string" ? { command, name } : undefined;
    case "send":
      return typeof fields["frame"] === "string" ? { command, frame: fields["frame"] } : undefined;
    default:
      return undefined;
  }
};
