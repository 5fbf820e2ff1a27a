/**
 * Control of a running `ferrule up`: a Unix socket with an abstract name derived from the interface's name.
 *
 * A socket with an abstract name has no file, so it disappears with its process, however the process ends. Such a name
 * cannot be bound twice, which also prevents two programs from using one interface. Like the name of an interface, an
 * abstract name belongs to the network namespace. Any local user may take such a name or connect to it, so each end
 * checks which user runs the other (up-process.ts, exchange.ts).
 */
import { Socket } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import type { Peer } from "#sys/unix-socket.ts";
import { type Argument, isArgument } from "../argument.ts";
import { exchange, ExchangeServer, PROMPT_MILLIS, UntrustedPeer } from "./exchange.ts";
import { parseStatus, type Status } from "./status.ts";
import { findUpProcess, plainAddress, spareAddress } from "./up-process.ts";

export type Request =
  | { readonly command: "status" }
  | { readonly command: "down" }
  /** An operation of `operations.ts`, executed in the driver's thread. */
  | {
      readonly command: "operate";
      readonly operation: string;
      readonly argument: Argument;
      readonly limitMillis?: number;
    };

/** Reply to `down`, once everything is down. */
export interface Down {
  readonly interface: string;
  readonly pid: number;
}

/** No `ferrule up` of that name is running in this network namespace. */
export class NotRunning extends FerruleError {
  readonly code = "NOT_RUNNING";
  readonly hint: string;
  constructor(
    name: string,
    hint = "This command must run in the network namespace in which `ferrule up` was started.",
  ) {
    super(`no \`ferrule up\` of ${name} is running here`);
    this.hint = hint;
  }
}

/** Maximum number of characters in an operation's name. It is limited because errors repeat the name. */
const MAX_NAME = 40;

const whoIs = (name: string, { device, pid, now }: Status): string =>
  `${device}, process ${pid}${now === name ? "" : `, and its interface is called ${now} now`}`;

/** The `ferrule up` was started, but has not brought its NIC up yet. */
export class StillStarting extends FerruleError {
  readonly code = "STILL_STARTING";
  readonly hint = "Wait until `ferrule up` reports that it is up, then try again.";
  constructor(name: string) {
    super(`${name} is still being brought up`);
  }
}

/** The name is taken by another `ferrule up`. */
export class AlreadyUp extends FerruleError {
  readonly code = "ALREADY_UP";
  readonly hint: string;
  constructor(name: string, status: Status | undefined) {
    super([`${name} is already up`, ...(status === undefined ? [] : [whoIs(name, status)])].join(": "));
    this.hint = `Take it down with \`ferrule down ${name}\`, or choose another name with --name.`;
  }
}

const parseRequest = (value: unknown): Request | undefined => {
  const { command, operation, argument, limitMillis } = (value ?? {}) as Partial<Record<string, unknown>>;
  if (command === "status" || command === "down") return { command };
  const isOperation = command === "operate" && typeof operation === "string" && isArgument(argument);
  if (!isOperation) return undefined;
  const limit = typeof limitMillis === "number" && limitMillis > 0 ? { limitMillis } : {};
  return { command, operation: operation.slice(0, MAX_NAME), argument, ...limit };
};

export interface ControlHandlers {
  status(): Status;
  /** Resolves once everything is down. */
  down(): Promise<Down>;
  /** @throws the reason if the operation fails */
  operate(operation: string, argument: Argument, limitMillis?: number): Promise<object>;
}

/** Listens at `address`. Returns false if the address is taken. */
const listenAt = async (server: ExchangeServer<Request>, address: string): Promise<boolean> => {
  try {
    await server.listen(address);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
};

/** The end of the control socket that belongs to `ferrule up`. */
export class ControlServer implements AsyncDisposable {
  readonly #server: ExchangeServer<Request>;
  /** Becomes true once this process holds the name, or false if it gives the name up. Requests wait until then. */
  readonly #taken = Promise.withResolvers<boolean>();

  private constructor(handlers: ControlHandlers) {
    this.#server = new ExchangeServer({
      parse: parseRequest,
      answer: async (request): Promise<object> => {
        if (request.command === "operate")
          return await handlers.operate(request.operation, request.argument, request.limitMillis);
        return request.command === "down" ? await handlers.down() : handlers.status();
      },
      ready: this.#taken.promise,
    });
  }

  /** Takes the name. @throws {AlreadyUp} if another `ferrule up` of this user or root has it; for root, one of any user */
  static async open(name: string, handlers: ControlHandlers): Promise<ControlServer> {
    const control = new ControlServer(handlers);
    await using scope = new AsyncDisposableStack();
    scope.use(control);
    const plain = plainAddress(name);
    const first = await listenAt(control.#server, plain);
    // If another user's process has the address, this process listens at an address of its own, so that the name is not
    // blocked.
    const own = first ? plain : spareAddress(name);
    if (!first && !(await listenAt(control.#server, own))) throw new AlreadyUp(name, undefined);
    const { found } = findUpProcess(name, own);
    using _other = found;
    if (found !== undefined) {
      // If two processes take the name at once, the one that has the plain address continues, and the other gives up.
      if (!first) await control[Symbol.asyncDispose]();
      const status = await statusOf(name, own);
      if (!first || status !== undefined) throw new AlreadyUp(name, status);
    }
    control.#taken.resolve(true);
    scope.move();
    return control;
  }

  /** Completes pending requests, then releases the name. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#taken.resolve(false);
    await this.#server[Symbol.asyncDispose]();
  }
}

/**
 * Connects to the `ferrule up` of that name, and returns the connection as a socket of Node's.
 * @throws {NotRunning} {UntrustedPeer}
 */
const connectTo = (name: string, except?: string): { readonly socket: Socket; readonly peer: Peer } => {
  const { found, others } = findUpProcess(name, except);
  using holder = found;
  if (holder === undefined) throw others[0] === undefined ? new NotRunning(name) : new UntrustedPeer(name, others[0]);
  // The process replies only to root and to its own user.
  const own = process.getuid?.();
  if (own !== 0 && own !== holder.peer.uid) throw new UntrustedPeer(name, holder.peer);
  return { socket: new Socket({ fd: holder.socket.release() }), peer: holder.peer };
};

/**
 * Sends a request to the `ferrule up` of that name. @param except an address that is skipped: the caller's own
 * @throws {NotRunning} {UntrustedPeer} {BadReply} {TookTooLong}
 */
export const ask = async (
  name: string,
  request: Request,
  limitMillis = PROMPT_MILLIS,
  except?: string,
): Promise<object> => {
  const { socket, peer } = connectTo(name, except);
  const hint = `Process ${peer.pid} is still busy with the request. Wait, or end it with \`kill ${peer.pid}\`.`;
  // The limit is part of the request, so that the other end does not begin an operation after that time.
  const limited = request.command === "operate" ? { ...request, limitMillis } : request;
  return exchange(socket, limited, { what: `"${request.command}" of ${name}`, limitMillis, hint });
};

/** The status of the `ferrule up` that holds the name; undefined if it does not reply. */
const statusOf = async (name: string, except: string): Promise<Status | undefined> =>
  ask(name, { command: "status" }, PROMPT_MILLIS, except)
    .then(parseStatus)
    .catch(() => undefined);
