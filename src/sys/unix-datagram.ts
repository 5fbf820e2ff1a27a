/** A datagram socket with a place in the file system, and one other socket that it talks to. */
import type { Fd } from "./fd.ts";
import { bindTo, newSocket, SOCK_DGRAM, socketAddress, SocketPlace, tryConnect } from "./unix-path.ts";

/** Never blocks. The file is removed with its owner, and only if it still is its owner's. */
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
   * Takes a place. A socket that its owner left behind is replaced.
   * @param mode permissions of the file; to send to it takes the one to write
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
   * From now on datagrams go to `path`, and come from there only. Returns 0, or the negated error number: ENOENT or
   * ECONNREFUSED while no one is there.
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
