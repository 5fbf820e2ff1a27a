/** `ferrule down`: takes down the interface of a running `ferrule up`. */
import { parseInterfaceName } from "../terminal/usage.ts";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Interfaces } from "#sys/interface.ts";
import { Files, textOf } from "../cards/files.ts";
import { isPrepared } from "../cards/local-machine.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { ask, NotRunning } from "../control/up-control.ts";
import { findUp } from "../control/find-up.ts";
import { TookTooLong } from "../limit.ts";

/** Time limit in milliseconds for each reply of the `ferrule up`, and for the kernel to remove the interface. */
const LIMIT_MILLIS = 5_000;

const exists = (name: string): boolean => {
  using interfaces = Interfaces.open();
  return interfaces.has(name);
};

/** Whether a process has released everything, even if its parent has not reaped it yet. */
export const hasEnded = (files: Files, pid: number): boolean => {
  const stat = textOf(join(files.proc, String(pid), "stat"));
  return stat === undefined || /\) [ZX]/.test(stat);
};

/**
 * Waits until this namespace has no interface of that name, or the process has ended. The interface alone does not show
 * whether the process has ended: a persistent TAP stays, and if a user moved the TAP to another namespace, another
 * interface may have this name here.
 * @returns whether a TAP stays
 */
const untilEnded = async (name: string, pid: number, deadline: number): Promise<boolean> => {
  const files = new Files();
  while (exists(name)) {
    if (hasEnded(files, pid)) return exists(name) && isPrepared(files, name);
    if (performance.now() >= deadline)
      throw new TookTooLong(`removing ${name}`, LIMIT_MILLIS, `\`ip -d link show ${name}\` shows the interface.`);
    await sleep(10);
  }
  return false;
};

export const downSentence = (name: string, pid: number, stays: boolean, seconds: number): string => {
  const what = stays ? "released it" : "removed it";
  const rest = stays ? " The prepared TAP remains for the next use." : "";
  return `${name} is down: process ${pid} ${what} in ${seconds.toFixed(2)} s.${rest}`;
};

/**
 * Takes an interface down.
 * @param name the interface's present name, or its name when `ferrule up` was started
 * @returns the interface's present name, and the id of the process
 */
const askDown = async (name: string, wake: boolean): Promise<{ readonly now: string; readonly pid: number }> => {
  try {
    const { interface: first, now } = await findUp(name);
    if (wake) await ask(first, { command: "operate", operation: "handOver", argument: {} }, LIMIT_MILLIS);
    const { pid } = (await ask(first, { command: "down" }, LIMIT_MILLIS)) as { pid: number };
    return { now, pid };
  } catch (error) {
    if (error instanceof NotRunning && exists(name))
      throw new NotRunning(
        name,
        `There is an interface ${name}, but its \`ferrule up\` was started in another network namespace, or the interface is not Ferrule's.`,
      );
    throw error;
  }
};

export const down = command({
  name: "down",
  summary: "take down an interface that `ferrule up` brought up",
  about:
    "Returns once the interface is removed or, if an administrator has prepared it, free again. Must run in the network namespace\nwhere `ferrule up` was started, as the same user or as root; the interface itself may have been moved elsewhere.",
  operands: [
    {
      placeholder: "NAME",
      summary: "the interface's present name, or the name given to `ferrule up --name`",
    },
  ],
  options: {
    wake: { kind: "flag", summary: "leave the card asleep with wake-up armed, as set by `up --wake`" },
    json: JSON_OPTION,
  },
  examples: ["sudo npx ferrule down fe0", "sudo npx ferrule down fe0 --wake"],
  async run({ values, operands, terminal }) {
    const typed = parseInterfaceName(operands[0]!);
    const start = performance.now();
    const { now: name, pid } = await askDown(typed, values.wake);
    const stays = await untilEnded(name, pid, start + LIMIT_MILLIS);
    const seconds = (performance.now() - start) / 1000;
    if (values.json) printJson(terminal, { interface: name, down: true, stays, pid, seconds });
    else printLines(terminal, [downSentence(name, pid, stays, seconds)]);
    return Exit.done;
  },
});
