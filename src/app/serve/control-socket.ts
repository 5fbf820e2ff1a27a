/**
 * How a running server is reached: a Unix socket beside the device's, which only its owner may open. Messages are one line
 * of JSON each way, and both ends check who the other is.
 */
import { createConnection, type Server, type Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { SOCKET_PATH_MOST, SocketPathTooLong, UnixListener } from "#sys/unix-path.ts";
import { BadReply, firstLine, Stranger } from "../cli/control.ts";
import { mayCommand } from "../cli/control-holder.ts";
import { within } from "../cli/limit.ts";
import { createOwnersServer, credentialsOf } from "../cli/owners-server.ts";
import { type PlainError, plainError } from "../messages.ts";
import { ThreadFailure } from "../worker-thread.ts";
import { parseServeRequest } from "./parse-request.ts";
import type { ControlRequest } from "./requests.ts";

/** A frame of 16 KiB as hexadecimal digits, with room. */
const LONGEST_LINE = 64 << 10;
const PATIENCE = 5_000;

/** Where the control socket of the device at `path` is. */
export const controlPath = (path: string): string => `${path}.ctl`;

/** @throws {SocketPathTooLong} where there is no room for the control socket's path */
export const checkControlPath = (path: string): void => {
  const bytes = new TextEncoder().encode(controlPath(path)).length;
  if (bytes > SOCKET_PATH_MOST) throw new SocketPathTooLong(controlPath(path), bytes);
};

/** Nobody serves a device there. */
export class NotServed extends FerruleError {
  readonly code = "NOT_SERVED";
  readonly hint = "Name the socket that was given to `ferrule model serve --socket`, and check that it is running.";
  constructor(path: string) {
    super(`no \`ferrule model serve\` is running at ${path}`);
  }
}

/** The socket is there, and this user may not open it. */
export class NotYours extends FerruleError {
  readonly code = "NOT_YOURS";
  readonly hint = "Run the command as the user who started `ferrule model serve`, or as root.";
  constructor(path: string) {
    super(`${path} belongs to someone else`);
  }
}

interface Reply {
  readonly ok: boolean;
  readonly value?: object;
  readonly error?: PlainError;
}

/** The end that belongs to the server. */
export class ControlSocket implements AsyncDisposable {
  readonly #listener: UnixListener;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(listener: UnixListener, server: Server) {
    this.#listener = listener;
    this.#server = server;
  }

  /**
   * Listens beside the device's socket. A socket that was left behind is replaced.
   * @throws {SocketPathTaken} {SocketPathTooLong} {SystemError} such as EACCES
   */
  static async open(socket: string, answer: (request: ControlRequest) => Promise<object>): Promise<ControlSocket> {
    checkControlPath(socket);
    using scope = new DisposableStack();
    const listener = scope.use(UnixListener.listen(controlPath(socket)));
    const server = createOwnersServer((connection) => control.#serve(connection, answer));
    const control = new ControlSocket(listener, server);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    // A descriptor and not the path: Node would remove whatever is there at the end, and that may be someone else's by then.
    server.listen({ fd: listener.duplicate().release() }, resolve);
    await promise;
    server.removeListener("error", reject);
    scope.move();
    return control;
  }

  async #serve(socket: Socket, answer: (request: ControlRequest) => Promise<object>): Promise<void> {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    const reply = await this.#answer(socket, answer).catch((error: unknown): Reply => ({
      ok: false,
      error: plainError(error),
    }));
    // Told, and that was all: who goes on talking, or holds on, is not listened to.
    socket.end(`${JSON.stringify(reply)}\n`, () => socket.destroy());
  }

  async #answer(socket: Socket, answer: (request: ControlRequest) => Promise<object>): Promise<Reply> {
    const line = await within(firstLine(socket, LONGEST_LINE), "the request", PATIENCE);
    const request = parseServeRequest(fromJson(line));
    if (request === undefined) throw new BadReply("that is no request");
    return { ok: true, value: await answer(request) };
  }

  /** Answers what is being asked, then goes; the file goes with it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener[Symbol.dispose]();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    const cut = setTimeout(() => this.#connections.forEach((socket) => socket.destroy()), 200);
    await promise;
    clearTimeout(cut);
  }
}

const fromJson = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

/** Asks the server of the device at `socket`. @throws {NotServed} {NotYours} {Stranger} {BadReply} {ThreadFailure} {TookTooLong} */
export const askServer = async (
  socket: string,
  request: ControlRequest,
  limitMillis: number = PATIENCE,
): Promise<object> => {
  checkControlPath(socket);
  const connection = createConnection(controlPath(socket));
  try {
    const answer = firstLine(connection, LONGEST_LINE);
    const connected = new Promise<void>((resolve) => void connection.once("connect", resolve));
    await within(Promise.race([connected, answer]), `the connection to ${socket}`, PATIENCE);
    const peer = credentialsOf(connection);
    // Root may command anybody's server; the answer is text to print, whoever sent it.
    if (process.getuid?.() !== 0 && !mayCommand(peer)) throw new Stranger(socket, peer ?? { pid: 0, uid: -1 });
    connection.write(`${JSON.stringify(request)}\n`);
    const reply = fromJson(await within(answer, `"${request.command}"`, limitMillis)) as Reply | undefined;
    if (reply?.ok === true && typeof reply.value === "object") return reply.value;
    if (typeof reply?.error?.message !== "string") throw new BadReply("the answer says nothing");
    throw new ThreadFailure(reply.error);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ECONNREFUSED" || code === "ENOENT" || code === "ENOTSOCK") throw new NotServed(socket);
    if (code === "EACCES") throw new NotYours(socket);
    if (code === "EPIPE" || code === "ECONNRESET") throw new BadReply("the other end hung up");
    throw error;
  } finally {
    connection.destroy();
  }
};
