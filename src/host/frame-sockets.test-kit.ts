/** For tests: a pair of sockets that preserve frame boundaries, so that one end can act as a TAP without root. */
import { check, Errno, SystemError } from "#sys/errno.ts";
import { Fd, read, write } from "#sys/fd.ts";
import { libc } from "#sys/libc.ts";
import { Struct } from "#sys/memory.ts";
import type { FrameQueue } from "./tap-writer.ts";
import { VNET_HEADER_BYTES } from "./vnet-header.ts";

const AF_UNIX = 1;
/** SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK */
const SEQUENCED = 5 | 0o2000000 | 0o4000;

/** A frame as the kernel passes it to the owner of a TAP, or accepts it from the owner. */
export interface HostFrame {
  readonly flags: number;
  readonly gso: number;
  readonly headerBytes: number;
  readonly segmentBytes: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
  readonly frame: Uint8Array;
}

export const NO_REQUEST = { flags: 0, gso: 0, headerBytes: 0, segmentBytes: 0, checksumStart: 0, checksumOffset: 0 };

/** A fake TAP. With its methods, a test acts as the kernel behind the TAP. */
export class FakeTap implements Disposable {
  readonly tap: FrameQueue & { setOffload(): void };
  readonly #near: Fd;
  readonly #far: Fd;

  constructor() {
    const pair = new Struct(8);
    // SAFETY: the kernel writes two ints into a structure that is kept alive here.
    check(libc.socketpair(AF_UNIX, SEQUENCED, 0, pair.address), "socketpair");
    this.#near = new Fd(pair.view.getInt32(0, true), "fake TAP");
    this.#far = new Fd(pair.view.getInt32(4, true), "fake kernel");
    this.tap = { name: "fake0", number: this.#near.number, setOffload: () => undefined };
  }

  /** Sends a frame as the kernel would. */
  send(host: HostFrame): void {
    const bytes = new Uint8Array(VNET_HEADER_BYTES + host.frame.length);
    const view = new DataView(bytes.buffer);
    bytes[0] = host.flags;
    bytes[1] = host.gso;
    const halves = [host.headerBytes, host.segmentBytes, host.checksumStart, host.checksumOffset];
    for (const [i, half] of halves.entries()) view.setUint16(2 + 2 * i, half, true);
    bytes.set(host.frame, VNET_HEADER_BYTES);
    write(this.#far.number, bytes);
  }

  /** Returns the frames that the fake kernel has received since the last call. */
  received(): HostFrame[] {
    const frames: HostFrame[] = [];
    const into = new Uint8Array(70_000);
    for (;;) {
      const length = this.#read(into);
      if (length < 0) return frames;
      const view = new DataView(into.buffer);
      frames.push({
        flags: into[0]!,
        gso: into[1]!,
        headerBytes: view.getUint16(2, true),
        segmentBytes: view.getUint16(4, true),
        checksumStart: view.getUint16(6, true),
        checksumOffset: view.getUint16(8, true),
        frame: into.slice(VNET_HEADER_BYTES, length),
      });
    }
  }

  #read(into: Uint8Array): number {
    try {
      return read(this.#far.number, into);
    } catch (error) {
      if (error instanceof SystemError && error.errno === Errno.EAGAIN) return -1;
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#near[Symbol.dispose]();
    this.#far[Symbol.dispose]();
  }
}
