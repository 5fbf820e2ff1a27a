/** A file that a user names for output. It may be a pipe, or standard output: neither is ever waited for. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { addressOf, keepAlive } from "./memory.ts";

/** What standard output is called where a file is named, and its other names. */
export const STANDARD_OUTPUT = "-";
const OTHER_NAMES: readonly string[] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
const STDOUT = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const NOWHERE = 0n;

/** Whether a name is standard output's. */
export const isStandardOutput = (path: string): boolean => path === STANDARD_OUTPUT || OTHER_NAMES.includes(path);

/** For messages. */
export const outputName = (path: string): string => (isStandardOutput(path) ? "standard output" : path);

/** Errors are those of node:fs, or have its codes: EAGAIN when a pipe takes nothing now, EPIPE when its reader has gone. */
export interface OutputFile {
  /** Returns how many of the bytes were taken. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  size(): number;
  truncate(length: number): void;
  close(): void;
}

/** Opens, and empties, a file. A pipe without a reader is an error (ENXIO) and not a wait. */
export const openOutput = (path: string): OutputFile => {
  if (isStandardOutput(path)) return standardOutput();
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK, O_NOCTTY } = constants;
  return output(openSync(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY, 0o644));
};

const output = (fd: number): OutputFile => ({
  write: (bytes, offset, length) => writeSync(fd, bytes, offset, length),
  size: () => fstatSync(fd).size,
  truncate: (length) => ftruncateSync(fd, length),
  close: () => closeSync(fd),
});

/**
 * O_NONBLOCK belongs to the open file, which others share, such as the shell: a pipe is opened once more, and a socket is told with
 * each write. A file is written to where it stands.
 */
const standardOutput = (): OutputFile => {
  const stats = fstatSync(STDOUT);
  if (stats.isFIFO()) return output(openSync(OTHER_NAMES[2]!, constants.O_WRONLY | constants.O_NONBLOCK));
  const write = stats.isSocket() ? sendNow : writeSync;
  return {
    write: (bytes, offset, length) => write(STDOUT, bytes, offset, length),
    // What stands in front of it is not ours to count.
    size: () => 0,
    truncate: () => {},
    close: () => {},
  };
};

const sendNow = (fd: number, bytes: Uint8Array, offset: number, length: number): number => {
  const address = addressOf(bytes.buffer) + BigInt(bytes.byteOffset + offset);
  // SAFETY: the kernel reads `length` bytes of `bytes`, which is kept until then; no address is wanted.
  const result = libc.sendto(fd, address, BigInt(length), MSG_DONTWAIT | MSG_NOSIGNAL, NOWHERE, 0);
  keepAlive(bytes);
  return check(result, "sendto");
};
