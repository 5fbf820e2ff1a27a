/**
 * How a running `ferrule up` is reached: a Unix socket with an abstract name made from the interface's name.
 *
 * Abstract, because such a socket has no file: it is gone the moment its process is, however that ended, and binding it
 * a second time fails, so the name is also what keeps two programs from one interface. It lives in the network
 * namespace, as interface names do. Any local user may take such a name or connect to it, so both ends check the other's user
 * (control-holder.ts). Messages are one line of JSON each way.
 */
import { type Server, Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import type { Peer } from "#sys/unix-socket.ts";
import { findHolder, plainAddress, spareAddress } from "./control-holder.ts";
import { within } from "./limit.ts";
import { createOwnersServer } from "./owners-server.ts";

export type Request = { readonly command: "status" } | { readonly command: "down" };

/** What `status` tells. */
export interface Status {
  /** The interface's name when it was made; the control socket's name is made from it. */
  readonly interface: string;
  /** Its name now. */
  readonly now: string;
  readonly device: string;
  /** Absent where the wire is somebody else's. */
  readonly wire?: string | undefined;
  readonly pid: number;
  readonly upSeconds: number;
}

/** What `down` tells, once everything is down. */
export interface Down {
  readonly interface: string;
  readonly pid: number;
}

type Reply<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly message: string };

/** Nobody of that name is running in this network namespace. */
export class NotRunning extends FerruleError {
  readonly code = "NOT_RUNNING";
  readonly hint: string;
  constructor(
    name: string,
    hint = "`ferrule down` must run in the network namespace in which `ferrule up` was started.",
  ) {
    super(`no \`ferrule up\` of ${name} is running here`);
    this.hint = hint;
  }
}

const whoIs = (name: string, { device, pid, now }: Status): string =>
  `${device}, process ${pid}${now === name ? "" : `, and its interface is called ${now} now`}`;

/** The name is taken by another `ferrule up`. */
export class AlreadyUp extends FerruleError {
  readonly code = "ALREADY_UP";
  readonly hint: string;
  constructor(name: string, status: Status | undefined) {
    super([`${name} is already up`, ...(status === undefined ? [] : [whoIs(name, status)])].join(": "));
    this.hint = `Take it down with \`ferrule down ${name}\`, or choose another name with --name.`;
  }
}

/** Whoever is at the other end is neither this user nor root. */
export class Stranger extends FerruleError {
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

const LONGEST_LINE = 4096;
/** Milliseconds a request may take to arrive, and an answer to a question that changes nothing. */
const PATIENCE = 2_000;

/** The first line that comes, without its end. Rejects when the other end closes first or says too much. */
export const firstLine = (socket: Socket, longest = LONGEST_LINE): Promise<string> => {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  const hear = (chunk: string): void => {
    text += chunk;
    const end = text.indexOf("\n");
    if (end < 0 && text.length <= longest) return;
    // Whatever else comes is read, for the end to be seen, and kept nowhere.
    socket.off("data", hear).resume();
    if (end >= 0) resolve(text.slice(0, end));
    else reject(new BadReply(`a line longer than ${longest} characters came`));
  };
  socket.setEncoding("utf8").on("data", hear);
  socket.on("error", reject);
  socket.on("close", () => reject(new BadReply("the connection was closed without an answer")));
  return promise;
};

const parseRequest = (line: string): Request | undefined => {
  try {
    const value: unknown = JSON.parse(line);
    const command = (value as { command?: unknown } | null)?.command;
    return command === "status" || command === "down" ? { command } : undefined;
  } catch {
    return undefined;
  }
};

export interface ControlHandlers {
  status(): Status;
  /** Resolves once everything is down. */
  down(): Promise<Down>;
}

/** Listens there. False when the address is taken. */
const listenAt = async (server: Server, address: string): Promise<boolean> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(`\0${address}`, resolve);
  try {
    await promise;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  } finally {
    server.removeListener("error", reject);
  }
};

/** The end that belongs to `ferrule up`. */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  /** Settles once this process is known to hold the name. No request is answered before. */
  readonly #taken = Promise.withResolvers<boolean>();

  private constructor(handlers: ControlHandlers) {
    this.#server = createOwnersServer((socket) => this.#serve(socket, handlers));
  }

  /** Takes the name. @throws {AlreadyUp} when another `ferrule up` has it, be it this user's or root's */
  static async open(name: string, handlers: ControlHandlers): Promise<ControlServer> {
    const control = new ControlServer(handlers);
    await using scope = new AsyncDisposableStack();
    scope.use(control);
    const plain = plainAddress(name);
    const first = await listenAt(control.#server, plain);
    // Another user's process has it, which must not block the name for this user.
    const own = first ? plain : spareAddress(name);
    if (!first && !(await listenAt(control.#server, own))) throw new AlreadyUp(name, undefined);
    const { found } = findHolder(name, own);
    using _other = found;
    if (found !== undefined) {
      // Of two that start at once, the one with the plain address waits for the other to give up.
      if (!first) await control[Symbol.asyncDispose]();
      const status = await statusOf(name, own);
      if (!first || status !== undefined) throw new AlreadyUp(name, status);
    }
    control.#taken.resolve(true);
    scope.move();
    return control;
  }

  async #serve(socket: Socket, handlers: ControlHandlers): Promise<void> {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    const reply = await this.#answer(socket, handlers).catch((error: unknown): Reply<never> => ({
      ok: false,
      message: (error as Error).message,
    }));
    // One reply a connection: whatever the client sends afterwards is ignored.
    if (reply === undefined) socket.destroy();
    else socket.end(`${JSON.stringify(reply)}\n`, () => socket.destroy());
  }

  /** Undefined when the name is not ours after all. */
  async #answer(socket: Socket, handlers: ControlHandlers): Promise<Reply<Status | Down> | undefined> {
    const request = parseRequest(await within(firstLine(socket), "the request", PATIENCE));
    if (!(await this.#taken.promise)) return undefined;
    if (request === undefined) return { ok: false, message: "that is no request" };
    return { ok: true, value: request.command === "down" ? await handlers.down() : handlers.status() };
  }

  /** Answers what is being asked, then gives the name up. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#taken.resolve(false);
    if (!this.#server.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    // Replies are a line each and go out at once; who still holds a connection open after that is cut off.
    const cut = setTimeout(() => this.#connections.forEach((socket) => socket.destroy()), 200);
    await promise;
    clearTimeout(cut);
  }
}

/** A connection to the `ferrule up` of that name, as Node's. @throws {NotRunning} {Stranger} */
const connectTo = (name: string, except?: string): { readonly socket: Socket; readonly peer: Peer } => {
  const { found, others } = findHolder(name, except);
  using holder = found;
  if (holder === undefined) throw others[0] === undefined ? new NotRunning(name) : new Stranger(name, others[0]);
  // It answers root and its own user, and nobody else.
  const own = process.getuid?.();
  if (own !== 0 && own !== holder.peer.uid) throw new Stranger(name, holder.peer);
  return { socket: new Socket({ fd: holder.socket.release() }), peer: holder.peer };
};

const exchange = async (
  { socket, peer }: { readonly socket: Socket; readonly peer: Peer },
  { name, request, limitMillis }: { readonly name: string; readonly request: Request; readonly limitMillis: number },
): Promise<unknown> => {
  try {
    const answer = firstLine(socket);
    socket.write(`${JSON.stringify(request)}\n`);
    const hint = `Process ${peer.pid} is still busy with it. Wait, or end it with \`kill ${peer.pid}\`.`;
    return valueOf(await within(answer, `"${request.command}" of ${name}`, limitMillis, hint));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "EPIPE" || code === "ECONNRESET") throw new BadReply("the other end hung up");
    throw error;
  } finally {
    socket.destroy();
  }
};

/** Asks the `ferrule up` of that name. @throws {NotRunning} {Stranger} {BadReply} {TookTooLong} */
export const ask = async (name: string, request: Request, limitMillis = PATIENCE): Promise<unknown> =>
  exchange(connectTo(name), { name, request, limitMillis });

const valueOf = (line: string): unknown => {
  let reply: unknown;
  try {
    reply = JSON.parse(line);
  } catch {
    throw new BadReply("the answer is not JSON");
  }
  if (typeof reply !== "object" || reply === null) throw new BadReply("the answer is no object");
  const { ok, value, message } = reply as { ok?: unknown; value?: unknown; message?: unknown };
  if (ok !== true) throw new BadReply(`the other end refuses: ${typeof message === "string" ? message : "no reason"}`);
  if (typeof value !== "object" || value === null) throw new BadReply("the answer says nothing");
  return value;
};

/** Who has the name; undefined when they do not say. */
const statusOf = async (name: string, except: string): Promise<Status | undefined> => {
  try {
    return (await exchange(connectTo(name, except), {
      name,
      request: { command: "status" },
      limitMillis: PATIENCE,
    })) as Status;
  } catch {
    return undefined;
  }
};
