/**
 * A server on a Unix socket that only its own user and root may use. Other connections are closed before Node allocates
 * memory for them.
 */
import { createServer, type Server, type Socket } from "node:net";
import { type Peer, peerOf } from "#sys/unix-socket.ts";
import { isTrusted } from "./up-process.ts";

/** Maximum number of simultaneous connections. Further ones are closed at once. */
const MAX_CONNECTIONS = 16;

/** Node's internal handle of an open socket, the only access to its descriptor. */
interface Handle {
  readonly fd?: number;
  close(): void;
  onconnection?: (this: Handle, status: number, client: Handle | undefined) => void;
}

const handleOf = (socket: Socket | Server): Handle | undefined =>
  (socket as unknown as { readonly _handle?: Handle | null })._handle ?? undefined;

const peerAt = (handle: Handle | undefined): Peer | undefined => {
  const fd = handle?.fd;
  return fd === undefined || fd < 0 ? undefined : peerOf(fd);
};

/** Credentials of the other end. Undefined once the socket is closed; the other end must then not be trusted. */
export const credentialsOf = (socket: Socket): Peer | undefined => peerAt(handleOf(socket));

/**
 * Closes connections of other users before Node creates a socket object for them. Node would allocate memory for each
 * socket object, and V8 would keep that memory after a flood of connections.
 */
const screen = (server: Server): void => {
  const handle = handleOf(server);
  const accept = handle?.onconnection;
  if (handle === undefined || accept === undefined) return;
  handle.onconnection = function (status, client) {
    if (client !== undefined && !isTrusted(peerAt(client))) client.close();
    else accept.call(this, status, client);
  };
};

export const createOwnersServer = (serve: (socket: Socket) => Promise<void>): Server => {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    // The user is checked here too, because `screen` does nothing in a version of Node that has no such handle.
    if (isTrusted(credentialsOf(socket))) void serve(socket);
    else socket.destroy();
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on("listening", () => screen(server));
  return server;
};
