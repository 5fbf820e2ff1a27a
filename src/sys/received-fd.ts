/** Descriptors received from another process: their kind, and closing them without waiting for their file systems. */
import { close } from "node:fs";
import { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { isMemory } from "./memory-file.ts";
import { Struct, keepAlive } from "./memory.ts";
import { isEvent } from "./peer-event.ts";

const SOL_SOCKET = 1;
const SO_TYPE = 3;

/** Whether a descriptor is a socket. */
export const isSocket = (fd: number): boolean => {
  const type = new Struct(4);
  const length = new Struct(4);
  length.view.setUint32(0, 4, true);
  // SAFETY: the kernel writes at most 4 bytes, as `length` says; both structures are kept alive until the call has
  // returned.
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, type.address, length.address);
  keepAlive(length);
  keepAlive(type);
  return result >= 0;
};

/** Closes a descriptor in Node's thread pool, because close(2) may block. */
export const closeElsewhere = (fd: number): void => close(fd, () => {});

/**
 * Takes ownership of a received descriptor. Descriptors other than memory and events are closed with `close`, because
 * close(2) may block: on a file system with data to write back, and on a socket that lingers.
 */
export const receivedFd = (number: number, close: (fd: number) => void): Fd =>
  isMemory(number) || isEvent(number)
    ? new Fd(number, "received descriptor")
    : new Fd(number, "received descriptor", close);
