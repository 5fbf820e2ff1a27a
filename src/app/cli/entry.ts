/** Entry point of the process: connects the command to its arguments, streams and exit. */
import { dieWithParent, exitNow } from "#sys/process.ts";
import { commandsFor } from "./commands.ts";
import { Exit } from "./command.ts";
import { printFailure } from "./failure.ts";
import { keepOnly } from "./lesser.ts";
import { main } from "./main.ts";
import { processTerminal } from "../terminal/terminal.ts";

/** Set to the launcher's process id by whatever started us only to run in another Node or namespace. */
const PARENT = "FERRULE_PARENT";

/** Milliseconds after the end of the command. */
const LINGER = 2_000;

const terminal = processTerminal();

const giveUp = (error: unknown): void => {
  printFailure(terminal, error);
  // Not process.exit(), which waits for every thread, and so for ever for one that hangs.
  exitNow(Exit.failed);
};
process.on("uncaughtException", giveUp);
process.on("unhandledRejection", giveUp);

const parent = Number(process.env[PARENT]);
// SIGTERM and not SIGKILL: a clean end also finishes capture files.
if (Number.isInteger(parent) && parent > 0) dieWithParent("SIGTERM", parent);

const argv = process.argv.slice(2);
process.exitCode = await main(argv, await commandsFor(argv), terminal, (needs) => {
  keepOnly(needs);
  // Child processes must not treat our launcher as their parent.
  delete process.env[PARENT];
});
// Everything is done and reported. Anything that keeps the process open may do so only for a limited time.
setTimeout(() => exitNow(Number(process.exitCode)), LINGER).unref();
