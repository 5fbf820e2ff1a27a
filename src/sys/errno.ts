/** Errors of system calls: errno as an error with a code, the call, and a hint. */
import { constants } from "node:os";
import { FerruleError } from "#kit/errors.ts";
import { ffi, ffiProblem } from "./ffi.ts";
import { libc } from "./libc.ts";

// SAFETY: __errno_location returns the address of this thread's errno, an int that exists as long as the thread. The
// view is created once per thread (each worker has its own copy of this module) and used only in this file.
const location =
  ffiProblem() === undefined
    ? new Int32Array(ffi().toArrayBuffer(libc.__errno_location(), 4, false))
    : new Int32Array(1);

/** The error number of this thread's last failed call. Read it directly after the call: the next one overwrites it. */
export const errno = (): number => location[0]!;

/** Error numbers by name: those that Node lists, and one that Node does not list (asm-generic/errno.h). */
export const Errno = { ...constants.errno, EBADFD: 77 } as const;

const CODES = new Map<number, string>();
// If a number has two names, the first is the usual one (EAGAIN before EWOULDBLOCK). ENOTSUP is skipped, because it is
// an alias of EOPNOTSUPP.
for (const [code, number] of Object.entries(Errno))
  if (code !== "ENOTSUP" && !CODES.has(number)) CODES.set(number, code);

/** The name of an error number, as in the manual pages: for calls that return the number instead of throwing. */
export const errorName = (number: number): string => CODES.get(number) ?? `E${number}`;

const HINTS: Readonly<Record<string, string>> = {
  EACCES: "Run as root, or give this user access to the file.",
  EPERM: "Run as root, or inside a user namespace: `unshare --user --map-root-user --net`.",
  ENOENT: "Check the path.",
  ENODEV: "The device or interface does not exist (any more): check its name and its network namespace.",
  ENXIO: "The device does not exist (any more).",
  EBADFD: "The interface was deleted. Bring it up again.",
  EBUSY: "It is in use by another program: stop that first.",
  EADDRINUSE: "Another program uses this address: stop that first, or choose another address.",
  EINVAL: "The kernel does not know this request or value: it may be too old.",
  ENOTTY: "The kernel does not know this request: it may be too old.",
  EOPNOTSUPP: "The kernel or the device does not support this.",
  ENOSYS: "The kernel does not support this, or a sandbox forbids it.",
  EMFILE: "Too many open files: raise the limit with `ulimit -n`.",
  ENFILE: "Too many open files on this machine.",
  ENOMEM: "Not enough memory, or over the limit of `ulimit -l` (locked memory) or `ulimit -v`.",
  ENOSPC: "A limit is reached, or the file system is full.",
  EDQUOT: "The disk quota is used up.",
  EFBIG: "The file is too large, or over the limit of `ulimit -f`.",
  EROFS: "The file system is read-only: choose another path.",
  EISDIR: "That is a directory: name a file.",
  ENOTDIR: "A part of the path is not a directory.",
  EEXIST: "It exists already.",
  ENETDOWN: "Bring the interface up first.",
  ENETUNREACH: "There is no route to that address: give the interface an address.",
  EHOSTUNREACH: "No host responds at that address.",
  ECONNREFUSED: "No program listens at that address: start the other side first.",
  EPIPE: "The other side has closed the connection.",
  ECONNRESET: "The other side has closed the connection.",
};

/** Messages with which Node and V8 report a failed system call without an error code. */
const REFUSALS: readonly (readonly [RegExp, string])[] = [
  [/too many open files/i, "EMFILE"],
  [/out of memory|could not allocate memory|allocation failed/i, "ENOMEM"],
  [/resource temporarily unavailable/i, "EAGAIN"],
];

const NO_THREADS = "No more threads or processes: raise the limit with `ulimit -u`, or end other programs.";

/** Code and hint for an error of Node or V8 that reports a failed system call; undefined for other errors. */
export const refusalOf = (error: Error): { readonly code: string; readonly hint: string } | undefined => {
  const known = (error as NodeJS.ErrnoException).code;
  const named = /\b(EMFILE|ENFILE|ENOMEM|EAGAIN)\b/.exec(error.message)?.[1];
  const code =
    known !== undefined && known in HINTS
      ? known
      : (named ?? REFUSALS.find(([pattern]) => pattern.test(error.message))?.[1]);
  if (code === undefined) return undefined;
  return { code, hint: code === "EAGAIN" ? NO_THREADS : HINTS[code]! };
};

/** A system call failed. `code` is the name of the error number, as in the manual pages. */
export class SystemError extends FerruleError {
  readonly code: string;
  readonly hint: string;
  readonly syscall: string;
  readonly errno: number;
  constructor(fields: { errno: number; syscall: string; detail?: string | undefined; hint?: string | undefined }) {
    const code = errorName(fields.errno);
    const what = fields.detail === undefined ? "" : ` (${fields.detail})`;
    super(`${fields.syscall}${what}: ${describe(fields.errno)} [${code}]`);
    this.code = code;
    this.errno = fields.errno;
    this.syscall = fields.syscall;
    this.hint = fields.hint ?? HINTS[code] ?? `See the ERRORS section of the manual page of ${fields.syscall}.`;
  }
}

/**
 * SAFETY: strerror returns a NUL-terminated string that is valid until this thread's next strerror; it is copied here.
 */
const describe = (number: number): string => ffi().toString(libc.strerror(number)) ?? `error ${number}`;

/** Returns the result of a system call. @throws {SystemError} with errno if the result is negative */
export const check = (result: number, syscall: string, detail?: string): number => {
  if (result < 0) throw new SystemError({ errno: errno(), syscall, detail });
  return result;
};
