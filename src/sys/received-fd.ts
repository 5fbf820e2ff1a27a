/** Descriptors that another process passed to us: what they are, and how to be rid of them, without waiting for their file systems. */
import { close } from "node:fs";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { isMemory } from "./memory-file.ts";
import { Struct, keepAlive } from "./memory.ts";
import { isEvent } from "./peer-event.ts";

const SOL_SOCKET = 1;
const SO_TYPE = 3;

/** Whether a descriptor is a socket's. */
export const isSocket = (fd: number): boolean => {
  const type = new Struct(4);
  const length = new Struct(4);
  length.view.setUint32(0, 4, true);
  // SAFETY: the kernel writes at most the 4 bytes that `length` says there are; both are kept until then.
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, type.address, length.address);
  keepAlive(length);
  keepAlive(type);
  return result >= 0;
};

/** Closes a descriptor in a thread of Node's own pool, which can wait. */
export const closeElsewhere = (fd: number): void => close(fd, () => {});

/**
 * close(2) waits for a file system that has something to write back, and for a socket that lingers. Descriptors of other
 * kinds than memory and events are closed by `close`, then.
 */
export const receivedFd = (number: number, close: (fd: number) => void): Fd =>
  isMemory(number) || isEvent(number)
    ? new Fd(number, "received descriptor")
    : new Fd(number, "received descriptor", close);
