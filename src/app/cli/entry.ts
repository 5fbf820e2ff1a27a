/** Entry point of the process: connects the command to its arguments, streams and exit. */
import { dieWithParent, exitNow } from "#sys/process.ts";
import { commandsFor } from "./commands.ts";
import { Exit } from "./command.ts";
import { printFailure } from "./failure.ts";
import { dropCapabilities } from "./drop-capabilities.ts";
import { main } from "./main.ts";
import { processTerminal } from "../terminal/terminal.ts";

/**
 * Environment variable with the launcher's process id. A launcher sets it if it started this program only to run it in
 * another Node or namespace.
 */
const PARENT = "FERRULE_PARENT";

/** Limit in milliseconds for the process to end after the command has ended. */
const EXIT_LIMIT_MILLIS = 2_000;

const terminal = processTerminal();

const giveUp = (error: unknown): void => {
  printFailure(terminal, error);
  // process.exit() would wait for every thread, and would never return if one hangs.
  exitNow(Exit.failed);
};
process.on("uncaughtException", giveUp);
process.on("unhandledRejection", giveUp);

const parent = Number(process.env[PARENT]);
// The signal is SIGTERM, not SIGKILL, so that the process ends cleanly and completes its capture files.
if (Number.isInteger(parent) && parent > 0) dieWithParent("SIGTERM", parent);

const argv = process.argv.slice(2);
process.exitCode = await main(argv, await commandsFor(argv), terminal, (needs) => {
  dropCapabilities(needs);
  // Child processes must not inherit the variable, because the launcher is not their parent.
  delete process.env[PARENT];
});
// The command has ended. If anything still keeps the process running after the limit, the process is ended.
setTimeout(() => exitNow(Number(process.exitCode)), EXIT_LIMIT_MILLIS).unref();
