/** Control of a running server through a Unix socket next to the device's socket. Only its owner may open it. */
import { once } from "node:events";
import { createConnection } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { MAX_SOCKET_PATH, SocketPathTooLong, UnixListener } from "#sys/unix-path.ts";
import { within } from "../limit.ts";
import { parseServeRequest } from "../serve/parse-request.ts";
import type { ControlRequest } from "../serve/requests.ts";
import { exchange, ExchangeServer, PROMPT_MILLIS, UntrustedPeer } from "./exchange.ts";
import { isTrusted } from "./up-process.ts";
import { credentialsOf } from "./owners-server.ts";

/** Path of the control socket for the device at `path`. */
export const controlPath = (path: string): string => `${path}.ctl`;

/** @throws {SocketPathTooLong} if the control socket's path would be too long */
export const checkControlPath = (path: string): void => {
  const bytes = new TextEncoder().encode(controlPath(path)).length;
  if (bytes > MAX_SOCKET_PATH) throw new SocketPathTooLong(controlPath(path), bytes);
};

/** No server is running at this path. */
export class NotServed extends FerruleError {
  readonly code = "NOT_SERVED";
  readonly hint = "Name the socket that was given to `ferrule model serve --socket`, and check that it is running.";
  constructor(path: string) {
    super(`no \`ferrule model serve\` is running at ${path}`);
  }
}

/** The socket exists, but this user may not open it. */
export class ServedByOther extends FerruleError {
  readonly code = "NOT_YOURS";
  readonly hint = "Run the command as the user who started `ferrule model serve`, or as root.";
  constructor(path: string) {
    super(`${path} belongs to someone else`);
  }
}

/** The server's end. */
export class ControlSocket implements AsyncDisposable {
  readonly #listener: UnixListener;
  readonly #server: ExchangeServer<ControlRequest>;

  private constructor(listener: UnixListener, server: ExchangeServer<ControlRequest>) {
    this.#listener = listener;
    this.#server = server;
  }

  /**
   * Listens next to the device's socket. A stale socket is replaced.
   * @throws {SocketPathTaken} {SocketPathTooLong} {SystemError} such as EACCES
   */
  static async open(socket: string, answer: (request: ControlRequest) => Promise<object>): Promise<ControlSocket> {
    checkControlPath(socket);
    using scope = new DisposableStack();
    const listener = scope.use(UnixListener.listen(controlPath(socket)));
    const server = new ExchangeServer({ parse: parseServeRequest, answer });
    // Node gets a descriptor instead of the path. With a path, Node would remove the file when it closes the socket,
    // even if another process had replaced that file.
    await server.listen({ fd: listener.duplicate().release() });
    scope.move();
    return new ControlSocket(listener, server);
  }

  /** Completes pending requests, closes the socket, and removes its file. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener[Symbol.dispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}

/**
 * Sends a request to the server of the device at `socket`. @throws {NotServed} {ServedByOther} {UntrustedPeer}
 * {BadReply} {ThreadFailure} {TookTooLong}
 */
export const requestServer = async (
  socket: string,
  request: ControlRequest,
  limitMillis: number = PROMPT_MILLIS,
): Promise<object> => {
  checkControlPath(socket);
  const connection = createConnection(controlPath(socket));
  try {
    await within(once(connection, "connect"), `the connection to ${socket}`, PROMPT_MILLIS);
    const peer = credentialsOf(connection);
    // Root may send requests to any user's server: the reply is only printed, so the server need not be trusted.
    if (process.getuid?.() !== 0 && !isTrusted(peer)) throw new UntrustedPeer(socket, peer ?? { pid: 0, uid: -1 });
    return await exchange(connection, request, { what: `"${request.command}"`, limitMillis });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ENOTSOCK") throw new NotServed(socket);
    if (code === "EACCES") throw new ServedByOther(socket);
    throw error;
  } finally {
    connection.destroy();
  }
};
