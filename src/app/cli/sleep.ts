/** `ferrule suspend` and `ferrule resume`: what systemd runs around a suspend of the machine. */
import { findAll, findUp } from "../control/find-up.ts";
import { ask } from "../control/up-control.ts";
import { parseInterfaceName } from "../terminal/usage.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";

/** Milliseconds for the frames in the rings, and a link that is set up once more. */
const PATIENCE = 10_000;

interface Answer {
  readonly asleep: boolean;
  readonly armed?: string;
  readonly woken?: boolean;
}

const sentence = (name: string, { asleep, armed, woken }: Answer): string => {
  if (asleep)
    return `${name} sleeps; ${armed === undefined || armed === "d" ? "nothing wakes it" : `woken by: ${armed}`}`;
  return `${name} is awake${woken === true ? ": it was woken by the wire" : ""}`;
};

const sleepCommand = (operation: "suspend" | "resume", summary: string, about: string) =>
  command({
    name: operation,
    summary,
    about,
    operands: [
      { placeholder: "NAME", summary: "the interface's name; all that are up here unless given", optional: true },
    ],
    options: { json: JSON_OPTION },
    examples: [`sudo npx ferrule ${operation} fe0`],
    async run({ values, operands, terminal }) {
      const [typed] = operands;
      const found = typed === undefined ? (await findAll()).found : [await findUp(parseInterfaceName(typed))];
      for (const { interface: first, now } of found) {
        const answer = (await ask(first, { command: "operate", operation, argument: {} }, PATIENCE)) as Answer;
        if (values.json) printJson(terminal, { interface: now, ...answer });
        else printLines(terminal, [sentence(now, answer)]);
      }
      return Exit.done;
    },
  });

export const suspend = sleepCommand(
  "suspend",
  "put a NIC that is up to sleep, with wake-up armed",
  "To be run before the machine is suspended: share/systemd/system-sleep/ferrule does. The interface stays and has no carrier.",
);

export const resume = sleepCommand(
  "resume",
  "wake a NIC that `ferrule suspend` has put to sleep",
  "Everything is as before. After a suspend of the machine the NIC is resumed in any case.",
);
