/**
 * Counts memory accesses of the processor with its debug registers, through perf_event_open(2).
 *
 * A watchpoint of n bytes counts each instruction that accesses at least one of these bytes, regardless of the width of
 * the access.
 */
import { check } from "./errno.ts";
import { Fd, read } from "./fd.ts";
import { bindLibrary } from "./ffi.ts";
import { Struct, addressOf } from "./memory.ts";

// SAFETY: syscall(2) is variadic; on x86-64 and arm64, its integer arguments are passed as in this declaration. Only
// perf_event_open is called, with the address of a structure that contains its length.
const { syscall } = bindLibrary({
  /** long syscall(long number, struct perf_event_attr *, pid_t, int cpu, int group, unsigned long flags) */
  syscall: { arguments: ["i64", "u64", "i64", "i64", "i64", "u64"], return: "i32" },
});

const PERF_EVENT_OPEN = process.arch === "arm64" ? 241n : 298n;
/** linux/perf_event.h: struct perf_event_attr, version 5. */
const ATTR_BYTES = 112;
const TYPE_BREAKPOINT = 5;
const EXCLUDE_KERNEL_AND_HYPERVISOR = (1n << 5n) | (1n << 6n);
const FLAG_CLOEXEC = 8n;
const THIS_THREAD = 0n;
const ANY_CPU = -1n;
const NO_GROUP = -1n;

/** What is counted: stores, or loads and stores. x86 cannot count loads alone. */
export const Watch = { stores: 2, all: 3 } as const;

export class Watchpoint implements Disposable {
  readonly #fd: Fd;
  readonly #count = new Uint8Array(new ArrayBuffer(8));

  /**
   * Counts this thread's accesses from now on. x86 has four watchpoints. @param bytes 1, 2, 4 or 8; `offset` is a
   * multiple of this number
   * @throws {SystemError} such as EACCES if the system does not permit it, ENOSPC if all watchpoints are in use
   */
  constructor(memory: ArrayBuffer, offset: number, bytes: number, what: number) {
    const attr = new Struct(ATTR_BYTES);
    attr.view.setUint32(0, TYPE_BREAKPOINT, true);
    attr.view.setUint32(4, ATTR_BYTES, true);
    attr.view.setBigUint64(40, EXCLUDE_KERNEL_AND_HYPERVISOR, true);
    attr.view.setUint32(52, what, true);
    attr.view.setBigUint64(56, addressOf(memory) + BigInt(offset), true);
    attr.view.setBigUint64(64, BigInt(bytes), true);
    // SAFETY: see the declaration of `syscall`; the structure is kept alive until the call has returned.
    const number = syscall(PERF_EVENT_OPEN, attr.address, THIS_THREAD, ANY_CPU, NO_GROUP, FLAG_CLOEXEC);
    this.#fd = new Fd(check(number, "perf_event_open", "watchpoint"), "watchpoint");
  }

  get count(): number {
    read(this.#fd.number, this.#count);
    return Number(new DataView(this.#count.buffer).getBigUint64(0, true));
  }

  [Symbol.dispose](): void {
    this.#fd[Symbol.dispose]();
  }
}
