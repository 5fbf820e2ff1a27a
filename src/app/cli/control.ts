/**
 * How a running `ferrule up` is reached: a Unix socket with an abstract name made from the interface's name.
 *
 * Abstract, because such a socket has no file: it is gone the moment its process is, however that ended, and binding it
 * a second time fails, so the name is also what keeps two programs from one interface. It lives in the network
 * namespace, as interface names do. Both ends check who the other is. Messages are one line of JSON each way.
 */
import { createConnection, createServer, type Server, type Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { type Peer, peerOf } from "#sys/unix-socket.ts";
import { within } from "./limit.ts";

export type Request = { readonly command: "status" } | { readonly command: "down" };

/** What `status` tells. */
export interface Status {
  readonly interface: string;
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

/** The name is taken by another `ferrule up`. */
export class AlreadyUp extends FerruleError {
  readonly code = "ALREADY_UP";
  readonly hint: string;
  constructor(name: string, status: Status | undefined) {
    super(
      status === undefined ? `${name} is already up` : `${name} is already up: ${status.device}, process ${status.pid}`,
    );
    this.hint = `Take it down with \`ferrule down ${name}\`, or choose another name with --name.`;
  }
}

/** Whoever is at the other end is neither this user nor root. */
export class Stranger extends FerruleError {
  readonly code = "STRANGER";
  readonly hint = "Run the command as the user who started `ferrule up`, or as root.";
  constructor(name: string, uid: number) {
    super(`the other end of ${name}'s control socket belongs to user ${uid}`);
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

const address = (name: string): string => `\0ferrule/${name}`;

/** Node keeps the descriptor of a connected socket here; without it no one can be trusted. */
export const credentialsOf = (socket: Socket): Peer | undefined => {
  const fd = (socket as unknown as { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : peerOf(fd);
};

export const trusted = (credentials: Peer | undefined): boolean =>
  credentials !== undefined && (credentials.uid === 0 || credentials.uid === process.getuid?.());

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

/** The end that belongs to `ferrule up`. */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Takes the name. @throws {AlreadyUp} when another process has it */
  static async open(name: string, handlers: ControlHandlers): Promise<ControlServer> {
    const server = createServer();
    const control = new ControlServer(server);
    server.on("connection", (socket) => void control.#serve(socket, handlers));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject);
    server.listen(address(name), resolve);
    try {
      await promise;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") throw new AlreadyUp(name, await statusOf(name));
      throw error;
    }
    server.removeListener("error", reject);
    return control;
  }

  async #serve(socket: Socket, handlers: ControlHandlers): Promise<void> {
    this.#connections.add(socket);
    socket.on("close", () => this.#connections.delete(socket));
    socket.on("error", () => socket.destroy());
    const reply = await this.#answer(socket, handlers).catch((error: unknown): Reply<never> => ({
      ok: false,
      message: (error as Error).message,
    }));
    // Told, and that was all: who goes on talking, or holds on, is not listened to.
    socket.end(`${JSON.stringify(reply)}\n`, () => socket.destroy());
  }

  async #answer(socket: Socket, handlers: ControlHandlers): Promise<Reply<Status | Down>> {
    if (!trusted(credentialsOf(socket))) return { ok: false, message: "only the same user or root may ask" };
    const request = parseRequest(await within(firstLine(socket), "the request", PATIENCE));
    if (request === undefined) return { ok: false, message: "that is no request" };
    return { ok: true, value: request.command === "down" ? await handlers.down() : handlers.status() };
  }

  /** Answers what is being asked, then gives the name up. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    // Replies are a line each and go out at once; who still holds a connection open after that is cut off.
    const cut = setTimeout(() => this.#connections.forEach((socket) => socket.destroy()), 200);
    await promise;
    clearTimeout(cut);
  }
}

/** Asks the `ferrule up` of that name. @throws {NotRunning} {Stranger} {BadReply} {TookTooLong} */
export const ask = async (name: string, request: Request, limitMillis = PATIENCE): Promise<unknown> => {
  const socket = createConnection(address(name));
  try {
    const answer = firstLine(socket);
    const connected = new Promise<void>((resolve) => void socket.once("connect", resolve));
    await within(Promise.race([connected, answer]), `the connection to ${name}`, PATIENCE);
    const credentials = credentialsOf(socket);
    if (!trusted(credentials)) throw new Stranger(name, credentials?.uid ?? -1);
    socket.write(`${JSON.stringify(request)}\n`);
    const hint = `Process ${credentials?.pid} is still busy with it. Wait, or end it with \`kill ${credentials?.pid}\`.`;
    return valueOf(await within(answer, `"${request.command}" of ${name}`, limitMillis, hint));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ECONNREFUSED" || code === "ENOENT") throw new NotRunning(name);
    if (code === "EPIPE" || code === "ECONNRESET") throw new BadReply("the other end hung up");
    throw error;
  } finally {
    socket.destroy();
  }
};

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
const statusOf = async (name: string): Promise<Status | undefined> => {
  try {
    return (await ask(name, { command: "status" })) as Status;
  } catch {
    return undefined;
  }
};
