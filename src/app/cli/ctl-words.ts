/** The words of `ferrule model ctl` as a request: `link down`, `wire loss 1% in`, `fault stuck-reset 3`. */
import { DIRECTIONS, type Direction, IMPAIRMENTS } from "#host/impaired-lane.ts";
import { LINK_SPEEDS, type LinkSpeed, type PartnerAbilities } from "#model/link-partner.ts";
import { DEVICE_FAULTS } from "../serve/device-faults.ts";
import type { ServeRequest } from "../serve/requests.ts";
import { didYouMean, WrongUsage } from "./usage.ts";

/** How each command is written, and what it does. */
export const CTL_SYNTAX: readonly (readonly [words: string, what: string])[] = [
  ["show", "state, link, counters, offences, and what is armed"],
  ["link up|down", "plug the cable in, or out"],
  [
    "partner [SPEED…] [full|half] [fixed]",
    "another link partner: the speeds it offers in Mbit/s; `fixed` does not negotiate",
  ],
  [
    "wire NAME [N|P%] [TIME] [in|out]",
    `${IMPAIRMENTS.join(", ")}: for N frames, or a share of all; delay takes 5ms or 300us`,
  ],
  ["wire clear [in|out]", "the wire is sound again"],
  ["wire seed N", "the dice start over from N"],
  ["fault NAME [N]", "a fault of the device, N times or until it is cleared"],
  ["fault clear [NAME]", "one fault is over, or all"],
  ["send magic", "a magic packet arrives at the NIC"],
  ["send HEX", "a frame arrives, as hexadecimal digits without FCS"],
  ["reset", "bus reset"],
  ["power", "power off and on"],
  ["unplug", "ask the client to give the device back"],
  ["disconnect", "end the client's connection"],
];

const wrong = (what: string, hint: string): WrongUsage => new WrongUsage(what, hint);
const hintFor = (command: string): string =>
  `Write ${CTL_SYNTAX.filter(([words]) => words.split(" ")[0] === command)
    .map(([words]) => `\`${words}\``)
    .join(" or ")}.`;

const none = (words: readonly string[], command: string): void => {
  if (words.length > 0) throw wrong(`"${words[0]}" is one word too many for "${command}"`, hintFor(command));
};

const isDirection = (word: string): word is Direction => DIRECTIONS.some((name) => name === word);
const directionsOf = (words: readonly string[]): readonly Direction[] => {
  const named = words.filter(isDirection);
  return named.length === 0 ? DIRECTIONS : named;
};

const countOf = (word: string, command: string): number => {
  if (!/^\d{1,9}$/.test(word) || Number(word) === 0) throw wrong(`"${word}" is no count`, hintFor(command));
  return Number(word);
};

const MICROS = { us: 1, ms: 1000, s: 1_000_000 } as const;

const wire = (words: readonly string[]): ServeRequest => {
  const [name = "", ...rest] = words;
  if (name === "clear") {
    none(
      rest.filter((word) => !isDirection(word)),
      "wire",
    );
    return { command: "clearWire", directions: directionsOf(rest) };
  }
  if (name === "seed") {
    if (rest.length !== 1 || !/^\d{1,10}$/.test(rest[0]!))
      throw wrong("a seed is one whole number", "Write `wire seed 7`.");
    return { command: "seed", seed: Number(rest[0]) };
  }
  const impairment = IMPAIRMENTS.find((known) => known === name);
  if (impairment === undefined)
    throw wrong(`a wire does not do "${name}"`, didYouMean(name, IMPAIRMENTS, hintFor("wire")));
  const options: { probability?: number; count?: number; micros?: number } = {};
  for (const word of rest) {
    if (isDirection(word)) continue;
    const share = /^(\d+(?:\.\d+)?)%$/.exec(word);
    const time = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(word);
    if (share !== null && Number(share[1]) <= 100) options.probability = Number(share[1]) / 100;
    else if (time !== null) options.micros = Math.round(Number(time[1]) * MICROS[time[2] as keyof typeof MICROS]);
    else options.count = countOf(word, "wire");
  }
  if ((impairment === "delay") !== (options.micros !== undefined))
    throw wrong(
      impairment === "delay" ? "a delay needs a time" : `${impairment} takes no time`,
      "Write `wire delay 5ms`.",
    );
  return { command: "wire", name: impairment, directions: directionsOf(rest), ...options };
};

const fault = (words: readonly string[]): ServeRequest => {
  const [name = "", ...rest] = words;
  const names = Object.keys(DEVICE_FAULTS);
  const known = (word: string): string => {
    if (names.includes(word)) return word;
    throw wrong(`no fault is called "${word}"`, didYouMean(word, names, `There are: ${names.join(", ")}.`));
  };
  none(rest.slice(1), "fault");
  if (name === "clear")
    return rest.length === 0 ? { command: "clearFault" } : { command: "clearFault", name: known(rest[0]!) };
  return { command: "fault", name: known(name), ...(rest.length === 0 ? {} : { count: countOf(rest[0]!, "fault") }) };
};

const partner = (words: readonly string[]): ServeRequest => {
  const speeds: LinkSpeed[] = [];
  let abilities: PartnerAbilities = {};
  for (const word of words) {
    const speed = LINK_SPEEDS.find((known) => String(known) === word);
    if (speed !== undefined) speeds.push(speed);
    else if (word === "full" || word === "half") abilities = { ...abilities, duplex: word };
    else if (word === "fixed") abilities = { ...abilities, negotiates: false };
    else
      throw wrong(`"${word}" says nothing of a partner`, `Speeds are ${LINK_SPEEDS.join(", ")}. ${hintFor("partner")}`);
  }
  if (abilities.negotiates === false && (speeds.length !== 1 || speeds[0]! > 100))
    throw wrong("a partner that does not negotiate has one speed, 10 or 100", "Write `partner 100 full fixed`.");
  return { command: "partner", abilities: speeds.length === 0 ? abilities : { ...abilities, speeds } };
};

/** @throws {WrongUsage} */
export const requestOf = (words: readonly string[]): ServeRequest => {
  const [command = "", ...rest] = words;
  switch (command) {
    case "show":
    case "reset":
    case "power":
    case "unplug":
    case "disconnect":
      none(rest, command);
      return { command };
    case "link": {
      const [state, ...more] = rest;
      none(more, command);
      if (state !== "up" && state !== "down") throw wrong("a link is up or down", hintFor(command));
      return { command, up: state === "up" };
    }
    case "partner":
      return partner(rest);
    case "wire":
      return wire(rest);
    case "fault":
      return fault(rest);
    case "send": {
      const [frame = "", ...more] = rest;
      none(more, command);
      if (frame === "magic") return { command: "magic" };
      if (!/^([0-9a-f]{2})+$/i.test(frame)) throw wrong(`"${frame.slice(0, 20)}" is no frame`, hintFor(command));
      return { command, frame };
    }
    default: {
      const known = [...new Set(CTL_SYNTAX.map(([words]) => words.split(" ")[0]!))];
      throw wrong(
        `"${command}" is no command of \`model ctl\``,
        didYouMean(command, known, `There are: ${known.join(", ")}.`),
      );
    }
  }
};
