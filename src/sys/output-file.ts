/** An output file that a user names. It may be a pipe or standard output; writing to a pipe or socket never blocks. */
import { closeSync, constants, fstatSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { check } from "./errno.ts";
import { libc } from "./libc.ts";
import { addressOf, keepAlive } from "./memory.ts";

/** The name of standard output on the command line, and other names that are treated like it. */
export const STANDARD_OUTPUT = "-";
const OTHER_NAMES: readonly string[] = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
const STDOUT = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const NOWHERE = 0n;

/** Whether a name denotes standard output. */
export const isStandardOutput = (path: string): boolean => path === STANDARD_OUTPUT || OTHER_NAMES.includes(path);

/** The name of an output, for messages. */
export const outputName = (path: string): string => (isStandardOutput(path) ? "standard output" : path);

/** Errors have the codes of node:fs: EAGAIN if a pipe is full, EPIPE if its reader has closed it. */
export interface OutputFile {
  /** Returns the number of bytes written. */
  write(bytes: Uint8Array, offset: number, length: number): number;
  size(): number;
  truncate(length: number): void;
  close(): void;
}

/**
 * Opens a file and empties it; standard output is not emptied. Fails with ENXIO, instead of blocking, for a pipe
 * without a reader.
 */
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
 * Standard output as an `OutputFile`. O_NONBLOCK is a flag of the open file, which is shared with other processes such
 * as the shell. Therefore a pipe is opened again, and a socket gets a flag with each write. A file is written at its
 * current position.
 */
const standardOutput = (): OutputFile => {
  const stats = fstatSync(STDOUT);
  if (stats.isFIFO()) return output(openSync(OTHER_NAMES[2]!, constants.O_WRONLY | constants.O_NONBLOCK));
  const write = stats.isSocket() ? sendNow : writeSync;
  return {
    write: (bytes, offset, length) => write(STDOUT, bytes, offset, length),
    // Bytes before the current position were written by other programs and are not counted.
    size: () => 0,
    truncate: () => {},
    close: () => {},
  };
};

const sendNow = (fd: number, bytes: Uint8Array, offset: number, length: number): number => {
  const address = addressOf(bytes.buffer) + BigInt(bytes.byteOffset + offset);
  // SAFETY: the kernel reads `length` bytes of `bytes`, which is kept alive until the call has returned. There is no
  // destination address.
  const result = libc.sendto(fd, address, BigInt(length), MSG_DONTWAIT | MSG_NOSIGNAL, NOWHERE, 0);
  keepAlive(bytes);
  return check(result, "sendto");
};
