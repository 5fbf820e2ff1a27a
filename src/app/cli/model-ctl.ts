/** `ferrule model ctl`: controls a NIC of `ferrule model serve` while a guest uses it. */
import type { Direction } from "#host/impaired-lane.ts";
import { FerruleError } from "#kit/errors.ts";
import type { ModelState } from "#model/observation/state.ts";
import { requestServer } from "../control/serve-control.ts";
import { DEVICE_FAULTS } from "../serve/device-faults.ts";
import type { ServeState } from "../serve/requests.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { CTL_SYNTAX, requestOf } from "./ctl-words.ts";
import { amount, count, counted, linkSpeed, table } from "../terminal/format.ts";

/** Time limit in milliseconds for a server to close. The server's own limit is one second shorter. */
const STOPPING = 16_000;

const linkText = ({ answers, link, cable, plugged }: ServeState): string => {
  if (!answers) return "down: the NIC is off the bus (use: power)";
  if (link.up) {
    const pause = link.receivePause || link.transmitPause ? ", pause frames" : "";
    return `up, ${linkSpeed(link.speed)}, ${link.fullDuplex ? "full" : "half"} duplex${pause}`;
  }
  if (!cable) return "down: the cable is unplugged (use: link up)";
  return plugged ? "down" : "down: nothing is connected at the far end";
};

const armedText = (state: ServeState, direction: Direction): string => {
  const { armed, struck, held } = state.wire[direction];
  const names = Object.keys(armed);
  const done = Object.entries(struck).flatMap(([name, times]) => (times > 0 ? [`${name} ${count(times)}`] : []));
  return `${names.length === 0 ? "no impairment" : names.join(", ")}${done.length === 0 ? "" : `; affected: ${done.join(", ")}`}${held === 0 ? "" : `; ${count(held)} in transit`}`;
};

const nonzero = (values: Readonly<Record<string, number>>): string =>
  Object.entries(values)
    .flatMap(([name, value]) => (value === 0 ? [] : [`${name} ${count(value)}`]))
    .join(", ") || "none";

/** Text of `show`. */
export const stateLines = (state: ServeState): readonly string[] => {
  const { traffic } = state;
  const faults = state.faults.map(({ name, left }) => (left === null ? name : `${name} (${left} more)`));
  return table(
    [
      ["chip", `${state.chip}, ${state.mac}`],
      ["client", state.client === 0 ? `none now, ${state.clients} so far` : `number ${state.client}`],
      ["refused", nonzero({ "disconnected for errors": state.clientFaults, "device in use": state.clientsTurnedAway })],
      ["link", linkText(state)],
      ["power", state.powerState === 3 ? "D3hot" : `D${state.powerState}`],
      ["guest sent", `${counted(traffic.sentFrames, "frame")} (${amount(traffic.sentBytes)})`],
      ["guest received", `${counted(traffic.receivedFrames, "frame")} (${amount(traffic.receivedBytes)})`],
      [
        "refused",
        `${counted(traffic.refused, "frame")}, ${count(state.counters.rxMissed)} missed for lack of descriptors`,
      ],
      ["lost", `${counted(traffic.drops, "frame")} on the wire or at its far end`],
      ["counters", nonzero(state.counters)],
      ["offences", nonzero(state.offences)],
      ["wire out", armedText(state, "out")],
      ["wire in", armedText(state, "in")],
      ["faults", faults.length === 0 ? "none" : faults.join(", ")],
    ],
    "ll",
  );
};

/** The text of `state`: one line for each register, such as "macOcp 0xd400 0005". */
export const registerLines = (state: ModelState): readonly string[] =>
  Object.entries(state).flatMap(([space, words]) =>
    Object.entries(words).map(([address, value]) => `${space} ${address} ${value.toString(16).padStart(4, "0")}`),
  );

/** The NIC did not receive the frame, and was not woken by it. */
class NotReceived extends FerruleError {
  readonly code = "NOT_RECEIVED";
  readonly hint: string;
  constructor(socket: string) {
    super("the NIC did not receive the frame");
    this.hint = `The link is down, the receiver is off, its filter rejects the frame, or the NIC sleeps: see \`ferrule model ctl ${socket} show\`.`;
  }
}

export const modelCtl = command({
  name: "model ctl",
  summary: "change link, wire and faults of a served NIC",
  about: [
    "Faults and impairments stay armed, across clients and resets, until they are cleared or have occurred N times.",
    "",
    ...table(
      CTL_SYNTAX.map(([words, what]) => [`  ${words}`, what]),
      "ll",
    ),
    "",
    "Faults of the device:",
    ...table(
      Object.entries(DEVICE_FAULTS).map(([name, what]) => [`  ${name}`, what]),
      "ll",
    ),
  ].join("\n"),
  operands: [
    { placeholder: "SOCKET", summary: "the device's socket, as given to `ferrule model serve --socket`" },
    { placeholder: "COMMAND…", summary: "one of the commands above", many: true },
  ],
  options: { json: JSON_OPTION },
  examples: [
    "npx ferrule model ctl nic.sock show --json",
    "npx ferrule model ctl nic.sock wire loss 1% in",
    "npx ferrule model ctl nic.sock fault stuck-reset 1",
  ],
  async run({ values, operands, terminal }) {
    const [socket = "", ...words] = operands;
    const request = requestOf(words);
    const value = await (request.command === "stop"
      ? requestServer(socket, request, STOPPING)
      : requestServer(socket, request));
    if (values.json) printJson(terminal, value);
    else if (request.command === "show") printLines(terminal, stateLines(value as ServeState));
    else if (request.command === "state") printLines(terminal, registerLines(value as ModelState));
    else if (request.command === "stop") printLines(terminal, [`stopped: ${socket} is no longer served`]);
    if ("taken" in value && value.taken !== true) throw new NotReceived(socket);
    return Exit.done;
  },
});
