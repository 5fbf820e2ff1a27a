/** `ferrule suspend` and `ferrule resume`: run by systemd before and after a suspend of the machine. */
import { findAll, findUp } from "../control/find-up.ts";
import { ask } from "../control/up-control.ts";
import { parseInterfaceName } from "../terminal/usage.ts";
import { plainError } from "../plain-error.ts";
import { ThreadFailure } from "../worker-thread.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { printFailure } from "./failure.ts";

/** Time limit in milliseconds for each reply. */
const LIMIT_MILLIS = 10_000;

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

/**
 * The NICs to suspend or resume, with their original and present names, and the errors that occurred during the search
 * for them.
 */
interface Found {
  readonly found: readonly { readonly interface: string; readonly now: string }[];
  readonly errors: readonly unknown[];
}

/** Sends the request to every NIC, even after one has failed; each error is printed. */
export const askEach = async (
  operation: "suspend" | "resume",
  { found, errors }: Found,
  { json, terminal }: { readonly json: boolean; readonly terminal: Terminal },
): Promise<Exit> => {
  const failures = [...errors];
  for (const { interface: first, now } of found)
    try {
      const answer = (await ask(first, { command: "operate", operation, argument: {} }, LIMIT_MILLIS)) as Answer;
      if (json) printJson(terminal, { interface: now, ...answer });
      else printLines(terminal, [sentence(now, answer)]);
    } catch (error) {
      const plain = plainError(error);
      failures.push(new ThreadFailure({ ...plain, message: `${now}: ${plain.message}` }));
    }
  for (const error of failures) printFailure(terminal, error);
  return failures.length === 0 ? Exit.done : Exit.failed;
};

const sleepCommand = (operation: "suspend" | "resume", summary: string, about: string) =>
  command({
    name: operation,
    summary,
    about,
    operands: [{ placeholder: "NAME", summary: "the interface's name; default: all that are up here", optional: true }],
    options: { json: JSON_OPTION },
    examples: [`sudo npx ferrule ${operation} fe0`],
    async run({ values, operands, terminal }) {
      const [typed] = operands;
      const found =
        typed === undefined ? await findAll() : { found: [await findUp(parseInterfaceName(typed))], errors: [] };
      return await askEach(operation, found, { json: values.json, terminal });
    },
  });

export const suspend = sleepCommand(
  "suspend",
  "put a NIC that is up to sleep, with wake-up armed",
  "Run this before the machine is suspended, as share/systemd/system-sleep/ferrule does. The interface remains, without carrier.",
);

export const resume = sleepCommand(
  "resume",
  "wake a NIC that `ferrule suspend` has put to sleep",
  "The NIC continues with its previous settings. After a suspend of the machine, the NIC is resumed even without this command.",
);
