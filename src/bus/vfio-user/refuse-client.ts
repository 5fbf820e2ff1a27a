/** Rejects a client that connects while the device is in use. */
import type { Fd } from "#sys/fd.ts";
import { MessageStream } from "#sys/message-stream.ts";
import { isReply, sizeOf } from "./client-memory.ts";
import { u16 } from "./codec.ts";
import { Connection } from "./connection.ts";
import { COMMAND, Flag, HEADER_BYTES, ID, MAX_BYTES, MAX_FDS, Refused } from "./protocol.ts";

/** With this limit, the kernel drops received descriptors. */
const NO_FDS = 0;

/** Buffers for `refuseClient`, which may be used again after each call. */
export const refusalBuffers = (): MessageStream => new MessageStream(MAX_BYTES, MAX_BYTES, MAX_FDS, undefined, NO_FDS);

/** Replies with EBUSY to the first request (the version) and closes the connection. Does not wait for a request. */
export const refuseClient = (socket: Fd, buffers: MessageStream): void => {
  using connection = new Connection(socket, buffers);
  if (connection.receive() !== true) return;
  const at = connection.next();
  const { bytes } = connection;
  if (typeof at !== "number" || at < 0 || isReply(bytes, at)) return;
  connection.take(sizeOf(bytes, at));
  connection.commit(
    u16(bytes, at + ID),
    u16(bytes, at + COMMAND),
    HEADER_BYTES,
    Flag.reply | Flag.error,
    Refused.EBUSY,
  );
};
