/** What the kernel is asked to do with a card: writes to /sys, and modules. Each has a limit. */
import { spawn } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { BindNotPermitted, StepRefused } from "./errors.ts";

/** The kernel, as far as it moves cards. A simulated one in tests. */
export interface Kernel {
  /** Writes to a file that takes effect at once. @throws {BindNotPermitted} {StepRefused} */
  set(path: string, value: string): void;
  /**
   * Writes to a file behind which a driver works: it may take its time, or wait for whoever has the device open.
   * @returns false when it was still at it after the limit, and goes on by itself
   * @throws {BindNotPermitted} {StepRefused}
   */
  ask(path: string, value: string): Promise<boolean>;
  /** Loads a module, by its name or by what it is for. @returns why it could not; undefined when it could */
  load(module: string): Promise<string | undefined>;
}

/** Milliseconds a driver may take to let a card go or to bring it up; r8169 waits for firmware files. */
const PATIENCE = 10_000;

const refusal = (path: string, value: string, code: string): Error =>
  code === "EACCES" || code === "EPERM" || code === "EROFS"
    ? new BindNotPermitted(path, code)
    : new StepRefused(`"${value.trim()}" in ${path}`, code);

/**
 * Run in a process of its own, because a write(2) that waits for a device cannot be called off: the process would stay
 * with it, and must not be ours.
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

/** Runs a program for at most `limit` milliseconds. @returns undefined when it still runs; it is left to itself then */
const run = async (program: string, words: readonly string[], limit: number): Promise<Ended | undefined> => {
  const { promise, resolve } = Promise.withResolvers<Ended | undefined>();
  // Not in our process group: Ctrl-C must not tear a step apart.
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

/** This machine's. @param patience milliseconds that whatever may wait is waited for */
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

export const linux = linuxWithin(PATIENCE);
