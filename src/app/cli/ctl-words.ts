/** Converts the words of `ferrule model ctl` to a request: `link down`, `wire loss 1% in`, `fault stuck-reset 3`. */
import { DIRECTIONS, type Direction, IMPAIRMENTS } from "#host/impaired-lane.ts";
import { OutOfRange } from "#kit/errors.ts";
import { LINK_SPEEDS, type LinkSpeed, type PartnerAbilities } from "#model/phy/link-partner.ts";
import { checkCount, DEVICE_FAULTS } from "../serve/device-faults.ts";
import { FRAME_HINT, isFrame, type ControlRequest, type ServeRequest } from "../serve/requests.ts";
import { didYouMean, WrongUsage } from "../terminal/usage.ts";

/** Syntax and effect of each command. */
export const CTL_SYNTAX: readonly (readonly [words: string, what: string])[] = [
  ["show", "state, link, counters, offences, armed faults and impairments"],
  ["state", "every register that is not 0, including those behind indirect access; causes no register access"],
  ["link up|down", "plug the cable in, or unplug it"],
  [
    "partner [SPEED…] [full|half] [fixed]",
    "change the link partner: the speeds it advertises in Mbit/s; `fixed` does not negotiate",
  ],
  [
    "wire NAME [N|P%] [TIME] [in|out]",
    `${IMPAIRMENTS.join(", ")}: for N frames, or a percentage of all; delay takes a time, such as 5ms or 300us`,
  ],
  ["wire clear [in|out]", "clear all impairments"],
  ["wire seed N", "seed the random generator with N"],
  ["fault NAME [N]", "inject a fault of the device, N times or until it is cleared; silent-… and removal take no N"],
  ["fault clear [NAME]", "clear one fault, or all"],
  ["send magic", "deliver a magic packet to the NIC"],
  ["send HEX", "deliver a frame, given as hexadecimal digits without FCS"],
  ["reset", "bus reset"],
  ["power", "power off and on"],
  ["unplug", "ask the client to release the device; fails if the client does not support that"],
  ["disconnect", "end the client's connection"],
  ["stop", "end the server, as Ctrl-C does; returns when it has ended"],
];

/** Longest delay of a frame. */
const MAX_DELAY_MICROS = 60_000_000;
/** Highest seed of the random generator. */
const HIGHEST_SEED = 2 ** 32 - 1;

const wrong = (what: string, hint: string): WrongUsage => new WrongUsage(what, hint);
const hintFor = (command: string): string =>
  `Write ${CTL_SYNTAX.filter(([words]) => words.split(" ")[0] === command)
    .map(([words]) => `\`${words}\``)
    .join(" or ")}.`;

const none = (words: readonly string[], command: string): void => {
  if (words.length > 0) throw wrong(`unexpected argument "${words[0]}" after "${command}"`, hintFor(command));
};

/** Rejects repeated words, because otherwise the last one would silently take effect. */
const once = (words: readonly string[], command: string): void => {
  const twice = words.find((word, i) => words.indexOf(word) !== i);
  if (twice !== undefined) throw wrong(`"${twice}" was given twice`, hintFor(command));
};

const isDirection = (word: string): word is Direction => DIRECTIONS.some((name) => name === word);
const directionsOf = (words: readonly string[]): readonly Direction[] => {
  const named = words.filter(isDirection);
  return named.length === 0 ? DIRECTIONS : named;
};

const countOf = (word: string, command: string): number => {
  if (!/^\d{1,9}$/.test(word) || Number(word) === 0) throw wrong(`"${word}" is not a count`, hintFor(command));
  return Number(word);
};

const MICROS = { us: 1, ms: 1000, s: 1_000_000 } as const;

const shareOf = (percent: string): number => {
  const share = Number(percent) / 100;
  if (share > 0 && share <= 1) return share;
  throw wrong(
    `${percent}% of the frames is not a valid share`,
    "Use more than 0% and at most 100%; `wire clear` ends an impairment.",
  );
};

const microsOf = (time: string, unit: keyof typeof MICROS): number => {
  const micros = Math.round(Number(time) * MICROS[unit]);
  if (micros > 0 && micros <= MAX_DELAY_MICROS) return micros;
  throw wrong(
    `a delay of ${time}${unit} is not possible`,
    `Use 1us to ${MAX_DELAY_MICROS / MICROS.s}s: \`wire delay 5ms\`.`,
  );
};

interface Strikes {
  probability?: number;
  count?: number;
  micros?: number;
}

/** Parses one word of `wire NAME …` that is not a direction. */
const strikesOf = (word: string): Strikes => {
  const share = /^(\d+(?:\.\d+)?)%$/.exec(word);
  if (share !== null) return { probability: shareOf(share[1]!) };
  const time = /^(\d+(?:\.\d+)?)(us|ms|s)$/.exec(word);
  if (time !== null) return { micros: microsOf(time[1]!, time[2] as keyof typeof MICROS) };
  return { count: countOf(word, "wire") };
};

const seedOf = (words: readonly string[]): number => {
  const [word = "", ...more] = words;
  if (more.length > 0 || !/^\d{1,10}$/.test(word) || Number(word) > HIGHEST_SEED)
    throw wrong(`"${words.join(" ")}" is not a seed`, `Use an integer, 0 to ${HIGHEST_SEED}: \`wire seed 7\`.`);
  return Number(word);
};

const wire = (words: readonly string[]): ServeRequest => {
  const [name = "", ...rest] = words;
  once(rest, "wire");
  if (name === "clear") {
    none(
      rest.filter((word) => !isDirection(word)),
      "wire",
    );
    return { command: "clearWire", directions: directionsOf(rest) };
  }
  if (name === "seed") return { command: "seed", seed: seedOf(rest) };
  const impairment = IMPAIRMENTS.find((known) => known === name);
  if (impairment === undefined)
    throw wrong(`unknown impairment "${name}"`, didYouMean(name, IMPAIRMENTS, hintFor("wire")));
  const options: Strikes = {};
  for (const word of rest.filter((each) => !isDirection(each))) {
    const more = strikesOf(word);
    const [kind = ""] = Object.keys(more);
    if (kind in options) throw wrong(`"${word}" repeats an earlier argument`, hintFor("wire"));
    Object.assign(options, more);
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
    throw wrong(`unknown fault "${word}"`, didYouMean(word, names, `Use one of: ${names.join(", ")}.`));
  };
  none(rest.slice(1), "fault");
  if (name === "clear")
    return rest.length === 0 ? { command: "clearFault" } : { command: "clearFault", name: known(rest[0]!) };
  const fault = known(name);
  if (rest.length === 0) return { command: "fault", name: fault };
  const count = countOf(rest[0]!, "fault");
  try {
    checkCount(fault, count);
  } catch (error) {
    throw error instanceof OutOfRange ? wrong(error.message, error.hint) : error;
  }
  return { command: "fault", name: fault, count };
};

const BOTH_DUPLEX = "Omit half and full for a partner that supports both.";
/** The highest speed, in Mbit/s, at which IEEE 802.3 defines half duplex. */
const FASTEST_HALF_DUPLEX = 1000;

const partner = (words: readonly string[]): ServeRequest => {
  once(words, "partner");
  const speeds: LinkSpeed[] = [];
  let abilities: PartnerAbilities = {};
  for (const word of words) {
    const speed = LINK_SPEEDS.find((known) => String(known) === word);
    if (speed !== undefined) speeds.push(speed);
    else if (word === "full" || word === "half") {
      if (abilities.duplex !== undefined) throw wrong("a partner is full or half duplex, not both", BOTH_DUPLEX);
      abilities = { ...abilities, duplex: word };
    } else if (word === "fixed") abilities = { ...abilities, negotiates: false };
    else throw wrong(`invalid partner option "${word}"`, `Speeds are ${LINK_SPEEDS.join(", ")}. ${hintFor("partner")}`);
  }
  if (abilities.negotiates === false && (speeds.length !== 1 || speeds[0]! > 100))
    throw wrong("a partner that does not negotiate has one speed, 10 or 100", "Write `partner 100 full fixed`.");
  const onlyFull = speeds.find((speed) => speed > FASTEST_HALF_DUPLEX);
  if (abilities.duplex === "half" && onlyFull !== undefined)
    throw wrong(`half duplex does not exist at ${onlyFull} Mbit/s`, "Half duplex is for 10, 100 and 1000 Mbit/s.");
  return { command: "partner", abilities: speeds.length === 0 ? abilities : { ...abilities, speeds } };
};

/** @throws {WrongUsage} */
export const requestOf = (words: readonly string[]): ControlRequest => {
  const [command = "", ...rest] = words;
  switch (command) {
    case "show":
    case "state":
    case "reset":
    case "power":
    case "unplug":
    case "disconnect":
    case "stop":
      none(rest, command);
      return { command };
    case "link": {
      const [state, ...more] = rest;
      none(more, command);
      if (state !== "up" && state !== "down") throw wrong("the state of a link must be up or down", hintFor(command));
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
      if (!isFrame(frame))
        throw wrong(`"${frame.slice(0, 20)}" is not a frame`, `${FRAME_HINT} Or write \`send magic\`.`);
      return { command, frame };
    }
    default: {
      const known = [...new Set(CTL_SYNTAX.map(([words]) => words.split(" ")[0]!))];
      throw wrong(`unknown command "${command}"`, didYouMean(command, known, `Use one of: ${known.join(", ")}.`));
    }
  }
};
