/** The HTTP server that Prometheus scrapes. It runs in the main thread, so frames never wait for it. */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { isIPv6 } from "node:net";
import { FerruleError } from "#kit/errors.ts";
import { UnixListener } from "#sys/unix-path.ts";
import { isLoopback, type MetricsAddress } from "./address.ts";
import { CONTENT_TYPE } from "./exposition.ts";

/** Maximum number of simultaneous connections. Further ones are closed at once. */
const MAX_CONNECTIONS = 16;
/** Time limit in milliseconds for a request to arrive. */
const REQUEST_MILLIS = 5_000;
/** Time limit in milliseconds for a response to be read, and for the pause between two requests of a connection. */
const SOCKET_MILLIS = 30_000;
const MAX_HEADER_BYTES = 8 << 10;
const PATH = "/metrics";

const HINTS: Readonly<Record<string, string>> = {
  EADDRINUSE: "Another program listens there (`ss -ltnp` shows which): choose another port.",
  EACCES: "Ports below 1024 need CAP_NET_BIND_SERVICE, which Ferrule drops: choose a higher one.",
  EADDRNOTAVAIL: "This machine does not have that address: `ip address` lists its addresses.",
};

/** The server cannot listen at this address. */
export class NoMetrics extends FerruleError {
  readonly code = "NO_METRICS";
  readonly hint: string;
  constructor(where: string, { code = "", message }: NodeJS.ErrnoException) {
    super(`metrics cannot be served at ${where}: ${message}`);
    this.hint = HINTS[code] ?? "Choose another address for --metrics.";
  }
}

/**
 * Whether a request is meant for another server. With DNS rebinding, the name of a web page resolves to this machine,
 * but the Host field still has the page's name.
 */
const isMisdirected = ({ headers, socket: { localPort = 0 } }: IncomingMessage, host: string): boolean => {
  const [, name, port = "80"] = /^(.*?)(?::(\d+))?$/.exec(headers.host?.toLowerCase() ?? "") ?? [];
  const names = ["localhost", "127.0.0.1", "[::1]", isIPv6(host) ? `[${host}]` : host];
  return isLoopback(host) && !(names.includes(name ?? "") && Number(port) === localPort);
};

/**
 * Answers GET /metrics with the result of `text`, which is undefined while there are no metrics.
 * @param host the server's own address; undefined for a Unix socket
 */
const respond =
  (text: () => string | undefined, host: string | undefined) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    // The request's body is read and dropped, so that its sender cannot keep the connection open.
    request.resume();
    const end = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { "content-type": "text/plain; charset=utf-8", ...headers });
      response.end(body);
    };
    if (host !== undefined && isMisdirected(request, host)) return end(421, "Use localhost or the address itself.\n");
    if (request.url !== PATH) return end(404, `See ${PATH}.\n`);
    if (request.method !== "GET" && request.method !== "HEAD") return end(405, "GET only.\n", { allow: "GET, HEAD" });
    const body = text();
    if (body === undefined) return end(503, "The NIC is being brought up.\n", { "retry-after": "1" });
    end(200, body, { "content-type": CONTENT_TYPE });
  };

export class MetricsServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #listener: UnixListener | undefined;

  private constructor(server: Server, listener: UnixListener | undefined) {
    this.#server = server;
    this.#listener = listener;
  }

  /** @throws {NoMetrics} {SocketPathTaken} {SocketPathTooLong} {SystemError} */
  static async open(address: MetricsAddress, text: () => string | undefined): Promise<MetricsServer> {
    const timeouts = {
      requestTimeout: REQUEST_MILLIS,
      headersTimeout: REQUEST_MILLIS,
      connectionsCheckingInterval: 1000,
    };
    // An `import` would load the module at every start of the command, with everything that it exports, including a
    // WebSocket.
    const { createServer } = process.getBuiltinModule("node:http");
    const server = createServer(
      { ...timeouts, maxHeaderSize: MAX_HEADER_BYTES },
      respond(text, address.kind === "tcp" ? address.host : undefined),
    );
    server.maxConnections = MAX_CONNECTIONS;
    server.setTimeout(SOCKET_MILLIS);
    using scope = new DisposableStack();
    const listener = address.kind === "unix" ? scope.use(UnixListener.listen(address.path)) : undefined;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", reject).once("listening", resolve);
    // Node gets a descriptor instead of the path. With a path, Node would remove the file when it closes the socket,
    // even if another process had replaced that file.
    if (listener !== undefined) server.listen({ fd: listener.duplicate().release() });
    else server.listen(address as { host: string; port: number });
    await promise.catch((error: NodeJS.ErrnoException) => {
      throw new NoMetrics(address.kind === "unix" ? address.path : `${address.host} port ${address.port}`, error);
    });
    scope.move();
    return new MetricsServer(server, listener);
  }

  /** The port, for tests in which the system chooses it. */
  get port(): number {
    const bound = this.#server.address();
    return typeof bound === "object" && bound !== null ? bound.port : 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener?.[Symbol.dispose]();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeAllConnections();
    await promise;
  }
}
