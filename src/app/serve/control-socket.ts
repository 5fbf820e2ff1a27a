/**
 * How a running server is reached: a Unix socket beside the device's, which only its owner may open. Messages are one line
 * of JSON each way, and both ends check who the other is.
 */
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { SOCKET_PATH_MOST, SocketPathTaken, SocketPathTooLong } from "#sys/unix-path.ts";
import { BadReply, credentialsOf, firstLine, Stranger, trusted } from "../cli/control.ts";
import { within } from "../cli/limit.ts";
import { type PlainError, plainError } from "../messages.ts";
import { ThreadFailure } from "../worker-thread.ts";
import { parseServeRequest } from "./parse-request.ts";
import type { ServeRequest } from "./requests.ts";

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
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens beside the device's socket. A socket that was left behind is replaced.
   * @throws {SocketPathTaken} {SocketPathTooLong}
   */
  static async open(socket: string, answer: (request: ServeRequest) => Promise<object>): Promise<ControlSocket> {
    checkControlPath(socket);
    const path = controlPath(socket);
    try {
      return await ControlSocket.#listen(path, answer);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
    if (!lstatSync(path).isSocket()) throw new SocketPathTaken(path, "a file");
    if (await answers(path)) throw new SocketPathTaken(path, "a listener");
    unlinkSync(path);
    return await ControlSocket.#listen(path, answer);
  }

  static async #listen(path: string, answer: (request: ServeRequest) => Promise<object>): Promise<ControlSocket> {
    const server = createServer();
    const control = new ControlSocket(server);
    server.on("connection", (socket) => void control.#serve(socket, answer));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(path, resolve);
    await promise;
    server.removeListener("error", reject);
    // Whoever connected before this is turned away by its credentials.
    chmodSync(path, 0o600);
    return control;
  }

  async #serve(socket: Socket, answer: (request: ServeRequest) => Promise<object>): Promise<void> {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => socket.destroy());
    const reply = await this.#answer(socket, answer).catch((error: unknown): Reply => ({
      ok: false,
      error: plainError(error),
    }));
    socket.end(`${JSON.stringify(reply)}\n`);
  }

  async #answer(socket: Socket, answer: (request: ServeRequest) => Promise<object>): Promise<Reply> {
    if (!trusted(credentialsOf(socket))) throw new BadReply("only the same user or root may ask");
    const line = await within(firstLine(socket, LONGEST_LINE), "the request", PATIENCE);
    const request = parseServeRequest(fromJson(line));
    if (request === undefined) throw new BadReply("that is no request");
    return { ok: true, value: await answer(request) };
  }

  /** Answers what is being asked, then goes; the file goes with it. */
  async [Symbol.asyncDispose](): Promise<void> {
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

/** Whether someone listens at the socket. @throws {SocketPathTaken} when it may not be asked */
const answers = async (path: string): Promise<boolean> => {
  const socket = createConnection(path);
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  socket.on("connect", () => resolve(true));
  socket.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (code === "ECONNREFUSED") resolve(false);
    else reject(new SocketPathTaken(path, "a listener"));
  });
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
};

/** Asks the server of the device at `socket`. @throws {NotServed} {NotYours} {Stranger} {BadReply} {ThreadFailure} {TookTooLong} */
export const askServer = async (socket: string, request: ServeRequest): Promise<object> => {
  checkControlPath(socket);
  const connection = createConnection(controlPath(socket));
  try {
    const answer = firstLine(connection, LONGEST_LINE);
    const connected = new Promise<void>((resolve) => void connection.once("connect", resolve));
    await within(Promise.race([connected, answer]), `the connection to ${socket}`, PATIENCE);
    const credentials = credentialsOf(connection);
    if (!trusted(credentials)) throw new Stranger(socket, credentials?.uid ?? -1);
    connection.write(`${JSON.stringify(request)}\n`);
    const reply = fromJson(await within(answer, `"${request.command}"`, PATIENCE)) as Reply | undefined;
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
