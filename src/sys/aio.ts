/** Linux AIO, the only way to signal another process's eventfd without the risk of blocking. */
import { SystemError, check, errno } from "./errno.ts";
import type { Fd } from "./fd.ts";
import { libc } from "./libc.ts";
import { createMemory } from "./mapping.ts";
import { Struct } from "./memory.ts";

/** System call numbers: asm/unistd_64.h, and asm-generic/unistd.h on arm64. The C library has no functions for these. */
const NUMBERS =
  process.arch === "arm64"
    ? { setup: 0n, destroy: 1n, submit: 2n, getevents: 4n }
    : { setup: 206n, destroy: 207n, submit: 209n, getevents: 208n };
const UNUSED = 0n;

/** struct iocb (linux/aio_abi.h). */
const IOCB_BYTES = 64;
const OPCODE = 16;
const FILE = 20;
const BUFFER = 24;
const FLAGS = 56;
const RESULT_FD = 60;
const IOCB_CMD_PREAD = 0;
const IOCB_FLAG_RESFD = 1;
const EVENT_BYTES = 32;
/** The ring of completions is emptied each time it has this number of entries. */
const BATCH = 32;

/**
 * Signals eventfds whose flags and counter can be changed by another process.
 *
 * write(2) blocks if the counter is full and O_NONBLOCK is not set, and the other process can change both after any
 * check. Therefore `signal` submits an asynchronous read that names the eventfd. When the read completes, the kernel
 * itself adds 1 to the eventfd's counter, as for a device's interrupt. If the counter is full, nothing happens. The
 * read has no bytes and is from a file of this process, so it completes within io_submit(2).
 */
export class EventSignaller implements Disposable {
  readonly #context: bigint;
  readonly #file: Fd;
  readonly #iocb = new Struct(IOCB_BYTES);
  /** struct iocb *list[1] */
  readonly #list = new Struct(8);
  readonly #events = new Struct(BATCH * EVENT_BYTES);
  /** struct timespec, zero: do not wait. */
  readonly #now = new Struct(16);
  #completed = 0;
  #open = true;

  /** @throws {SystemError} EAGAIN if all contexts of the machine are in use */
  constructor() {
    using scope = new DisposableStack();
    this.#file = scope.use(createMemory("signal", 0));
    const context = new Struct(8);
    // SAFETY: the kernel writes one word; the structure is still used below, so it stays reachable.
    if (libc.syscall(NUMBERS.setup, BigInt(BATCH), context.address, UNUSED, UNUSED, UNUSED) < 0)
      throw new SystemError({
        errno: errno(),
        syscall: "io_setup",
        hint: "Raise fs.aio-max-nr (sysctl), or use a kernel and a sandbox with asynchronous I/O.",
      });
    this.#context = context.view.getBigUint64(0, true);
    const { view } = this.#iocb;
    view.setUint16(OPCODE, IOCB_CMD_PREAD, true);
    view.setUint32(FILE, this.#file.number, true);
    view.setBigUint64(BUFFER, this.#now.address, true);
    view.setUint32(FLAGS, IOCB_FLAG_RESFD, true);
    this.#list.view.setBigUint64(0, this.#iocb.address, true);
    scope.move();
  }

  /** Adds 1 to the counter of the eventfd `number`. @throws {SystemError} such as EINVAL for other descriptors */
  signal(number: number): void {
    this.#iocb.view.setUint32(RESULT_FD, number, true);
    // SAFETY: the list has one request, which reads no bytes; this object holds both.
    const result = libc.syscall(NUMBERS.submit, this.#context, 1n, this.#list.address, UNUSED, UNUSED);
    check(result, "io_submit", "eventfd");
    if (++this.#completed === BATCH) this.#collect();
  }

  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    // SAFETY: no request is pending, and the context is not used again.
    libc.syscall(NUMBERS.destroy, this.#context, UNUSED, UNUSED, UNUSED, UNUSED);
    this.#file[Symbol.dispose]();
  }

  /** Empties the ring of completions. */
  #collect(): void {
    this.#completed = 0;
    const { address } = this.#events;
    // SAFETY: this object holds the timespec and the buffer, which has room for BATCH events.
    check(
      libc.syscall(NUMBERS.getevents, this.#context, UNUSED, BigInt(BATCH), address, this.#now.address),
      "io_getevents",
    );
  }
}
