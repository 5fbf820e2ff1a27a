/**
 * The protocol that commands speak with a running `ferrule up` or `ferrule model serve`: one request and one reply per
 * connection, each a line of JSON. Each end checks which user runs the other.
 */
import type { Server, Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { within } from "../limit.ts";
import { type PlainError, plainError } from "../plain-error.ts";
import { ThreadFailure } from "../worker-thread.ts";
import { createOwnersServer } from "./owners-server.ts";

/** Maximum number of characters in a line. A frame of 16 KiB in hexadecimal digits fits into a line. */
const MAX_LINE = 64 << 10;
/** Time limit in milliseconds for a request to arrive, and the default limit for a reply. */
export const PROMPT_MILLIS = 5_000;
/** Time limit in milliseconds for sending the remaining replies when the server closes. */
const CLOSING_MILLIS = 200;

/** The other end belongs neither to this user nor to root. */
export class UntrustedPeer extends FerruleError {
  readonly code = "STRANGER";
  readonly hint: string;
  constructor(name: string, { pid, uid }: { readonly pid: number; readonly uid: number }) {
    super(`the control socket of ${name} is held by process ${pid} of user ${uid}`);
    this.hint =
      process.getuid?.() === 0
        ? `That process is not a \`ferrule up\`: it has no TAP open. See \`ps -p ${pid}\`.`
        : "If it is a `ferrule up`, run the command as that user, or as root.";
  }
}

/** The other end does not use this protocol, or closed the connection early. */
export class BadReply extends FerruleError {
  readonly code = "BAD_REPLY";
  readonly hint = "Both commands must be of the same version. If the other process hangs, end it with `kill`.";
}

type Reply = { readonly ok: true; readonly value: object } | { readonly ok: false; readonly error: PlainError };

const fromJson = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

/**
 * The first line received, without newline. Rejects if the line is too long, or if the other end closes the connection
 * before it has sent a line.
 */
const firstLine = (socket: Socket): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const take = (chunk: string): void => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end < 0 && text.length <= MAX_LINE) return;
    // Data after the line is read and discarded, so that the end of the connection is detected.
    socket.off("data", take).resume();
    if (end >= 0) resolve(text.slice(0, end));
    else reject(new BadReply(`received a line longer than ${MAX_LINE} characters`));
  };
  socket.setEncoding("utf8").on("data", take);
  socket.on("error", reject);
  socket.on("close", () => reject(new BadReply("the connection was closed without a reply")));
  return promise;
};

export interface ExchangeHandlers<Request> {
  /** Parses a request; undefined if it is invalid. */
  readonly parse: (value: unknown) => Request | undefined;
  /** Executes a request. An error that this throws is sent as the reply. */
  readonly answer: (request: Request) => Promise<object>;
  /** Requests wait until this has resolved. If it resolves to false, no reply is sent. */
  readonly ready?: Promise<boolean>;
}

/** The server's end. */
export class ExchangeServer<Request> implements AsyncDisposable {
  readonly #handlers: ExchangeHandlers<Request>;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  constructor(handlers: ExchangeHandlers<Request>) {
    this.#handlers = handlers;
    this.#server = createOwnersServer((socket) => this.#serve(socket));
  }

  /** Listens at an abstract address, or on a socket that already listens. @throws the system's error */
  async listen(where: string | { readonly fd: number }): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    if (typeof where === "string") this.#server.listen(`\0${where}`, resolve);
    else this.#server.listen(where, resolve);
    try {
      await promise;
    } finally {
      this.#server.removeListener("error", reject);
    }
  }

  async #serve(socket: Socket): Promise<void> {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    const reply = await this.#reply(socket).catch((error: unknown): Reply => ({ ok: false, error: plainError(error) }));
    // Each connection gets one reply; whatever the client sends afterwards is ignored.
    if (reply === undefined) socket.destroy();
    else socket.end(`${JSON.stringify(reply)}\n`, () => socket.destroy());
  }

  async #reply(socket: Socket): Promise<Reply | undefined> {
    const { parse, answer, ready } = this.#handlers;
    const request = parse(fromJson(await within(firstLine(socket), "the request", PROMPT_MILLIS)));
    if ((await ready) === false) return undefined;
    if (request === undefined) throw new BadReply("the request is not valid");
    return { ok: true, value: await answer(request) };
  }

  /** Completes pending requests, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    // A reply is one line, which is sent at once. Connections that are still open after CLOSING_MILLIS are closed.
    const timer = setTimeout(() => this.#connections.forEach((socket) => socket.destroy()), CLOSING_MILLIS);
    await promise;
    clearTimeout(timer);
  }
}

export interface RequestLimits {
  /** Description of the request, for error messages. */
  readonly what: string;
  readonly limitMillis: number;
  readonly hint?: string | undefined;
}

/**
 * The client's end: sends a request, returns the reply, and closes the connection.
 * @throws {BadReply} {TookTooLong} {ThreadFailure} with the other end's error
 */
export const exchange = async (
  socket: Socket,
  request: object,
  { what, limitMillis, hint }: RequestLimits,
): Promise<object> => {
  try {
    const line = firstLine(socket);
    socket.write(`${JSON.stringify(request)}\n`);
    return valueOf(fromJson(await within(line, what, limitMillis, hint)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPIPE" || code === "ECONNRESET") throw new BadReply("the other end closed the connection");
    throw error;
  } finally {
    socket.destroy();
  }
};

/** The value of a reply. The other end may belong to another user, so nothing in the reply is trusted. */
const valueOf = (reply: unknown): object => {
  const { ok, value, error } = (reply ?? {}) as { ok?: unknown; value?: unknown; error?: unknown };
  if (ok === true && typeof value === "object" && value !== null) return value;
  const { code, message, hint } = (error ?? {}) as { code?: unknown; message?: unknown; hint?: unknown };
  if (typeof message !== "string") throw new BadReply("the reply is empty");
  throw new ThreadFailure({
    message,
    code: typeof code === "string" ? code : "REFUSED",
    hint: typeof hint === "string" ? hint : "",
  });
};
