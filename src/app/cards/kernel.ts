/** Kernel operations on a card: writes to /sys, and loading of modules. Operations that may block have a time limit. */
import { spawn } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { BindNotPermitted, StepRefused } from "./errors.ts";

/** The kernel's operations for binding cards; simulated in tests. */
export interface Kernel {
  /**
   * Writes a value to a kernel file. The write has taken effect when this function returns.
   * @throws {BindNotPermitted} {StepRefused}
   */
  set(path: string, value: string): void;
  /**
   * Writes a value to a kernel file that makes a driver act. The write may take some time, and may block while the
   * device is open.
   * @returns false if the write is still blocked at the time limit; it then continues in the background
   * @throws {BindNotPermitted} {StepRefused}
   */
  ask(path: string, value: string): Promise<boolean>;
  /** Loads a module, by name or alias. @returns the reason of a failure; undefined on success */
  load(module: string): Promise<string | undefined>;
}

/** Limit in milliseconds for a driver to unbind or probe a card. It is long because r8169 waits for firmware files. */
const LIMIT_MILLIS = 10_000;

const refusal = (path: string, value: string, code: string): Error =>
  code === "EACCES" || code === "EPERM" || code === "EROFS"
    ? new BindNotPermitted(path, code)
    : new StepRefused(`"${value.trim()}" in ${path}`, code);

/**
 * The script of a separate process that executes the write. In this process, a write(2) that waits for a device would
 * block everything else and could not be cancelled.
 */
const WRITE_SCRIPT = `
const { constants, openSync, writeSync } = require("node:fs");
try {
  writeSync(openSync(process.argv[1], constants.O_WRONLY), process.argv[2]);
} catch (error) {
  process.stdout.write(error.code ?? "EIO");
}`;

interface Ended {
  readonly status: number | undefined;
  readonly text: string;
}

/**
 * Runs a program and waits for at most `limit` milliseconds. A program that still runs after that is not killed.
 * @returns undefined if the program still runs
 */
const run = async (program: string, words: readonly string[], limit: number): Promise<Ended | undefined> => {
  const { promise, resolve } = Promise.withResolvers<Ended | undefined>();
  // The program gets a process group of its own, so that Ctrl-C does not interrupt it.
  const env = { ...process.env, PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin` };
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"], detached: true, env });
  let text = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (chunk: string) => (text = (text + chunk).slice(-2000)));
  child.on("error", () => resolve({ status: undefined, text: `${program} does not start` }));
  child.on("close", (status) => resolve({ status: status ?? undefined, text: text.trim() }));
  const timer = setTimeout(() => resolve(undefined), limit);
  const ended = await promise;
  clearTimeout(timer);
  if (ended === undefined) {
    child.stdout.destroy();
    child.stderr.destroy();
    child.unref();
  }
  return ended;
};

/** This machine's kernel. @param limitMillis time limit of operations that may block */
export const linuxWithin = (limitMillis: number): Kernel => ({
  set(path, value) {
    try {
      const file = openSync(path, constants.O_WRONLY);
      try {
        writeSync(file, value);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw refusal(path, value, (error as NodeJS.ErrnoException).code ?? "EIO");
    }
  },

  async ask(path, value) {
    const ended = await run(process.execPath, ["-e", WRITE_SCRIPT, path, value], limitMillis);
    if (ended === undefined) return false;
    if (ended.status !== 0 || ended.text !== "") throw refusal(path, value, ended.text || "EIO");
    return true;
  },

  async load(module) {
    const ended = await run("modprobe", ["--", module], limitMillis);
    if (ended === undefined) return "modprobe takes too long";
    return ended.status === 0 ? undefined : ended.text || "modprobe failed";
  },
});

export const linux = linuxWithin(LIMIT_MILLIS);
