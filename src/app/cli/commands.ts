/** All commands. Each is loaded only when it is used, because most commands need only a small part of the program. */
import type { Command } from "./command.ts";
import { HELP_WORDS } from "../terminal/usage.ts";

/** The commands, in the order of `ferrule --help`. */
const LOADERS: Readonly<Record<string, () => Promise<Command>>> = {
  demo: async () => (await import("./demo.ts")).demo,
  list: async () => (await import("./list.ts")).list,
  bind: async () => (await import("./bind.ts")).bind,
  up: async () => (await import("./up.ts")).up,
  status: async () => (await import("./status.ts")).status,
  down: async () => (await import("./down.ts")).down,
  ethtool: async () => (await import("./ethtool.ts")).ethtool,
  suspend: async () => (await import("./sleep.ts")).suspend,
  resume: async () => (await import("./sleep.ts")).resume,
  unbind: async () => (await import("./unbind.ts")).unbind,
  report: async () => (await import("./report.ts")).report,
  "model serve": async () => (await import("./model-serve.ts")).modelServe,
  "model ctl": async () => (await import("./model-ctl.ts")).modelCtl,
  "model chips": async () => (await import("./model-chips.ts")).modelChips,
  compare: async () => (await import("./compare.ts")).compare,
  doctor: async () => (await import("./doctor.ts")).doctor,
};

/** The command that is named on the command line; all commands if none is named. */
export const commandsFor = async (argv: readonly string[]): Promise<readonly Command[]> => {
  const words = argv.filter((word) => !HELP_WORDS.includes(word));
  const load = LOADERS[words.slice(0, 2).join(" ")] ?? LOADERS[words[0] ?? ""];
  return Promise.all(load === undefined ? Object.values(LOADERS).map((each) => each()) : [load()]);
};
