/** A datagram socket with a path, connected to one other socket. */
import type { Fd } from "./fd.ts";
import { bindTo, newSocket, SOCK_DGRAM, socketAddress, SocketPlace, tryConnect } from "./unix-path.ts";

/** A socket that never blocks. Disposing removes the socket's file, unless another file has replaced it. */
export class UnixDatagram implements Disposable {
  readonly path: string;
  readonly #socket: Fd;
  readonly #place: SocketPlace;

  private constructor(path: string, socket: Fd) {
    this.path = path;
    this.#socket = socket;
    this.#place = new SocketPlace(path);
  }

  /**
   * Binds a socket to `path`. A stale socket file is replaced.
   * @param mode permissions of the file; sending to it needs write permission
   * @throws {SocketPathTaken} {SocketPathTooLong} {SystemError} such as EACCES
   */
  static bind(path: string, mode?: number): UnixDatagram {
    using scope = new DisposableStack();
    const socket = scope.use(newSocket(path, SOCK_DGRAM));
    bindTo(socket, path, { type: SOCK_DGRAM, mode });
    const bound = new UnixDatagram(path, socket);
    scope.move();
    return bound;
  }

  /** For poll(2), read and write. @throws {DescriptorClosed} once disposed */
  get number(): number {
    return this.#socket.number;
  }

  /**
   * Connects to the socket at `path`: datagrams are sent to it, and received only from it. Returns 0, or the negated
   * error number: ENOENT or ECONNREFUSED if there is no socket.
   * @throws {SocketPathTooLong}
   */
  connect(path: string): number {
    return tryConnect(this.#socket, socketAddress(path));
  }

  [Symbol.dispose](): void {
    if (!this.#socket.open) return;
    this.#place.remove();
    this.#socket[Symbol.dispose]();
  }
}
