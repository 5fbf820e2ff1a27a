/**
 * Multicast addresses that the interfaces of a network namespace must receive. The kernel shows them only in a file
 * under /proc.
 */
import { readSync } from "node:fs";
import { SystemError } from "./errno.ts";
import { type Fd, Open, openFile } from "./fd.ts";

const FILE = "/proc/thread-self/net/dev_mcast";
const CHUNK_BYTES = 64 << 10;
const ADDRESS = /^[0-9a-f]{12}$/;

export class MulticastList implements Disposable {
  readonly #file: Fd;
  readonly #chunk = new Uint8Array(CHUNK_BYTES);

  private constructor(file: Fd) {
    this.#file = file;
  }

  /**
   * Opens the list of the calling thread's network namespace. It stays the list of that namespace even if the thread
   * changes its namespace later. @throws {SystemError}
   */
  static open(): MulticastList {
    return new MulticastList(openFile(FILE, Open.readOnly));
  }

  /** Multicast addresses of the interface with this index. @throws {SystemError} */
  of(index: number): Uint8Array[] {
    return parseMulticastList(this.#read(), index);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #read(): string {
    let text = "";
    for (let position = 0; ;) {
      const length = readAt(this.#file.number, this.#chunk, position);
      if (length === 0) return text;
      text += Buffer.from(this.#chunk.buffer, 0, length).toString("latin1");
      position += length;
    }
  }
}

const readAt = (fd: number, into: Uint8Array, position: number): number => {
  try {
    return readSync(fd, into, 0, into.length, position);
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    throw new SystemError({ errno: -errno, syscall: "pread", detail: FILE });
  }
};

/** Lines are: index, name, references, references by programs, address in hexadecimal digits. */
export const parseMulticastList = (text: string, index: number): Uint8Array[] =>
  text.split("\n").flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const address = fields[4];
    return Number(fields[0]) === index && address !== undefined && ADDRESS.test(address)
      ? [Uint8Array.from(Buffer.from(address, "hex"))]
      : [];
  });
