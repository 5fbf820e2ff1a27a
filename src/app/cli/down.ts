/** `ferrule down`: takes down what a `ferrule up` elsewhere keeps up. */
import { setTimeout as sleep } from "node:timers/promises";
import { Interfaces } from "#sys/interface.ts";
import { command, Exit, JSON_OPTION, printJson, printLines } from "./command.ts";
import { ask, NotRunning } from "./control.ts";
import { TookTooLong } from "./limit.ts";
import { parseInterfaceName } from "./spec.ts";

/** Milliseconds the other process may take, and the kernel after it. */
const PATIENCE = 5_000;

const exists = (name: string): boolean => {
  using interfaces = Interfaces.open();
  return interfaces.has(name);
};

/** Waits until no interface of that name is left in this namespace. */
const untilGone = async (name: string, deadline: number): Promise<void> => {
  while (exists(name)) {
    if (performance.now() >= deadline)
      throw new TookTooLong(`removing ${name}`, PATIENCE, `See who holds it: \`ip -d link show ${name}\`.`);
    await sleep(10);
  }
};

const askDown = async (name: string): Promise<number> => {
  try {
    return ((await ask(name, { command: "down" }, PATIENCE)) as { pid: number }).pid;
  } catch (error) {
    if (error instanceof NotRunning && exists(name))
      throw new NotRunning(
        name,
        `There is an interface ${name}, but its \`ferrule up\` was started in another network namespace, or it is not Ferrule's.`,
      );
    throw error;
  }
};

export const down = command({
  name: "down",
  summary: "take an interface down that `ferrule up` brought up",
  about:
    "Returns once the interface is gone. Must run in the network namespace where `ferrule up` was started, as the same\nuser or as root; the interface itself may have been moved elsewhere.",
  operands: [{ placeholder: "NAME", summary: "the name given to `ferrule up --name`" }],
  options: { json: JSON_OPTION },
  examples: ["sudo npx ferrule down fe0"],
  async run({ values, operands, terminal }) {
    const name = parseInterfaceName(operands[0]!);
    const start = performance.now();
    const pid = await askDown(name);
    await untilGone(name, start + PATIENCE);
    const seconds = (performance.now() - start) / 1000;
    if (values.json) printJson(terminal, { interface: name, down: true, pid, seconds });
    else printLines(terminal, [`${name} is down: process ${pid} removed it in ${seconds.toFixed(2)} s.`]);
    return Exit.done;
  },
});
