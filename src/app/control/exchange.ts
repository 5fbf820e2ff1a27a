/**
 * One request and one reply a connection, each a line of JSON: how a running `ferrule up` and a running `ferrule model serve` are
 * reached. Both ends check who the other is.
 */
import type { Server, Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { within } from "../limit.ts";
import { type PlainError, plainError } from "../plain-error.ts";
import { ThreadFailure } from "../worker-thread.ts";
import { createOwnersServer } from "./owners-server.ts";

/** A frame of 16 KiB as hexadecimal digits, with room. */
const MAX_LINE = 64 << 10;
/** Milliseconds a request may take to arrive, and the reply to one that changes nothing. */
export const PROMPT_MILLIS = 5_000;
/** Milliseconds that replies have to leave at the end. */
const CLOSING_MILLIS = 200;

/** The other end is neither this user nor root. */
export class UntrustedPeer extends FerruleError {
  readonly code = "STRANGER";
  readonly hint: string;
  constructor(name: string, { pid, uid }: { readonly pid: number; readonly uid: number }) {
    super(`the control socket of ${name} is held by process ${pid} of user ${uid}`);
    this.hint =
      process.getuid?.() === 0
        ? `That process is no \`ferrule up\`: it holds no TAP. See \`ps -p ${pid}\`.`
        : "If it is a `ferrule up`, run the command as that user, or as root.";
  }
}

/** The other end does not speak this protocol, or left in the middle. */
export class BadReply extends FerruleError {
  readonly code = "BAD_REPLY";
  readonly hint = "Both ends must be of the same version. If it hangs, end that process with `kill`.";
}

type Reply = { readonly ok: true; readonly value: object } | { readonly ok: false; readonly error: PlainError };

const fromJson = (line: string): unknown => {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
};

/** The first line that arrives, without its end. Rejects when the other end closes first or the line is too long. */
const firstLine = (socket: Socket): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const take = (chunk: string): void => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end < 0 && text.length <= MAX_LINE) return;
    // What follows is read, for the end to be seen, and kept nowhere.
    socket.off("data", take).resume();
    if (end >= 0) resolve(text.slice(0, end));
    else reject(new BadReply(`a line longer than ${MAX_LINE} characters came`));
  };
  socket.setEncoding("utf8").on("data", take);
  socket.on("error", reject);
  socket.on("close", () => reject(new BadReply("the connection was closed without an answer")));
  return promise;
};

export interface ExchangeHandlers<Request> {
  /** Undefined for what is no request. */
  readonly parse: (value: unknown) => Request | undefined;
  /** What it throws is the reply. */
  readonly answer: (request: Request) => Promise<object>;
  /** No request is answered before it is true; with false, none is. */
  readonly ready?: Promise<boolean>;
}

/** The end that answers. */
export class ExchangeServer<Request> implements AsyncDisposable {
  readonly #handlers: ExchangeHandlers<Request>;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  constructor(handlers: ExchangeHandlers<Request>) {
    this.#handlers = handlers;
    this.#server = createOwnersServer((socket) => this.#serve(socket));
  }

  /** At an abstract address, or on a socket that listens already. @throws what the system refuses */
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
    // One reply a connection: whatever the client sends afterwards is ignored.
    if (reply === undefined) socket.destroy();
    else socket.end(`${JSON.stringify(reply)}\n`, () => socket.destroy());
  }

  async #reply(socket: Socket): Promise<Reply | undefined> {
    const { parse, answer, ready } = this.#handlers;
    const request = parse(fromJson(await within(firstLine(socket), "the request", PROMPT_MILLIS)));
    if ((await ready) === false) return undefined;
    if (request === undefined) throw new BadReply("that is no request");
    return { ok: true, value: await answer(request) };
  }

  /** Answers what is being asked, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    // Replies are a line each and leave at once; a connection that is still open after that is cut off.
    const cut = setTimeout(() => this.#connections.forEach((socket) => socket.destroy()), CLOSING_MILLIS);
    await promise;
    clearTimeout(cut);
  }
}

export interface RequestLimits {
  /** The request, as errors name it. */
  readonly what: string;
  readonly limitMillis: number;
  readonly hint?: string | undefined;
}

/**
 * The end that asks, over a connection that is closed afterwards.
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
    if (code === "EPIPE" || code === "ECONNRESET") throw new BadReply("the other end hung up");
    throw error;
  } finally {
    socket.destroy();
  }
};

/** The other end may be anybody's: nothing in its reply is trusted. */
const valueOf = (reply: unknown): object => {
  const { ok, value, error } = (reply ?? {}) as { ok?: unknown; value?: unknown; error?: unknown };
  if (ok === true && typeof value === "object" && value !== null) return value;
  const { code, message, hint } = (error ?? {}) as { code?: unknown; message?: unknown; hint?: unknown };
  if (typeof message !== "string") throw new BadReply("the answer says nothing");
  throw new ThreadFailure({
    message,
    code: typeof code === "string" ? code : "REFUSED",
    hint: typeof hint === "string" ? hint : "",
  });
};
