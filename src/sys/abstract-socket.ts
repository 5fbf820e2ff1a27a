/**
 * AF_UNIX sockets with abstract names. Such a name belongs to a network namespace; it has no file and no permissions.
 * unix(7)
 */
import { readFileSync } from "node:fs";
import { Timeout } from "#kit/errors.ts";
import { Errno, SystemError } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { Struct } from "./memory.ts";
import { newSocket, tryConnect } from "./unix-path.ts";

const AF_UNIX = 1;
/** struct sockaddr_un { u16 family; char path[] }: the path begins with a NUL, after which the abstract name starts. */
const NAME_AT = 3;
/** Interval of retries while the listener's queue is full, in milliseconds. */
const RETRY_MILLIS = 5;
/** Flag of a socket that listens: __SO_ACCEPTCON in net/unix/af_unix.c, unix_seq_show. */
const LISTENS = "00010000";

/** Character by which the decoder replaces bytes that are not UTF-8. */
const NO_TEXT = "\ufffd";

/**
 * The abstract names in this network namespace that have a listener and begin with `prefix`, sorted. Names that are not
 * valid UTF-8 are skipped: Ferrule does not create them, and after decoding they may be too long for an address.
 */
export const abstractListeners = (prefix: string): readonly string[] =>
  readFileSync("/proc/thread-self/net/unix", "utf8")
    .split("\n")
    .flatMap((line) => {
      // Num: RefCount Protocol Flags Type St Inode Path
      const [, , , flags, , , , path] = line.split(/\s+/);
      const name = path?.startsWith("@") === true ? path.slice(1) : undefined;
      return flags === LISTENS && name?.startsWith(prefix) === true && !name.includes(NO_TEXT) ? [name] : [];
    })
    .sort();

const pause = (millis: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, millis);
};

/**
 * Connects to an abstract name. Returns a non-blocking socket, or undefined if there is no listener.
 * @param limitMillis how long to retry while the listener's queue is full
 * @throws {Timeout} if the queue stays full; {SystemError} for other errors
 */
export const connectAbstract = (name: string, limitMillis: number): Fd | undefined => {
  const bytes = new TextEncoder().encode(name);
  const address = new Struct(NAME_AT + bytes.length);
  address.view.setUint16(0, AF_UNIX, true);
  address.bytes.set(bytes, NAME_AT);
  using scope = new DisposableStack();
  const socket = scope.use(newSocket(name));
  const end = performance.now() + limitMillis;
  for (;;) {
    const result = tryConnect(socket, address);
    if (result === -Errno.ECONNREFUSED) return undefined;
    if (result === 0) break;
    if (result !== -Errno.EAGAIN) throw new SystemError({ errno: -result, syscall: "connect", detail: name });
    if (performance.now() >= end)
      throw new Timeout({
        what: `connecting to @${name}`,
        waitedMicros: limitMillis * 1000,
        hint: "The program that listens at this name is hung, or flooded with connections.",
      });
    pause(RETRY_MILLIS);
  }
  scope.move();
  return socket;
};
