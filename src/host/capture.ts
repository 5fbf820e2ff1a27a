/**
 * Captures the frames of a port or uplink in a pcapng file. If the file is a pipe and its reader is too slow, frames
 * are missing in the capture; traffic never waits for the reader.
 */
import { type Clock, RealClock } from "#kit/clock.ts";
import { FerruleError } from "#kit/errors.ts";
import type { Plug, Port } from "#kit/port.ts";
import { openOutput, type OutputFile, outputName } from "#sys/output-file.ts";
import { type Memory, memoryOf, newMemory } from "#wire/memory.ts";
import { Direction, PACKET_OVERHEAD, PcapngWriter, Resolution } from "#wire/pcapng.ts";
import type { FrameObserver } from "./frame-observer.ts";

/**
 * Maximum number of bytes captured of a frame; longer frames are truncated. A super-frame of 64 KiB with an Ethernet
 * header and two tags fits.
 */
export const SNAP_LENGTH = 65_664;
const BUFFER_BYTES = 1 << 18;
/** Maximum time to wait for the reader of a pipe when the capture is closed. */
const CLOSE_MILLIS = 1000;
const STEP_MILLIS = 10;

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space or capture elsewhere.",
  EDQUOT: "Your disk quota is used up: free some space or capture elsewhere.",
  EPIPE: "The reader of the pipe has ended: start the reader again, then capture again.",
  ENXIO: "The pipe has no reader: start the reader first.",
  EAGAIN: "The reader of the pipe is too slow: capture to a file.",
  EACCES: "Choose a directory in which you have write permission.",
  EPERM: "Choose a directory in which you have write permission.",
  EROFS: "The file system is read-only: capture elsewhere.",
  ENOENT: "Create the directory first.",
  EISDIR: "Name a file, not a directory.",
};

/**
 * The capture file could not be opened or written. If it was opened by its path and is not a pipe, it consists of whole
 * blocks.
 */
export class CaptureFailed extends FerruleError {
  readonly code = "CAPTURE_FAILED";
  readonly hint: string;
  readonly path: string;
  /** The system's name for the error, such as ENOSPC. */
  readonly errno: string;
  constructor(path: string, cause: unknown) {
    const errno = errnoOf(cause);
    super(`capture to ${outputName(path)} stopped: ${errno}`, { cause });
    this.path = path;
    this.errno = errno;
    this.hint = HINTS[errno] ?? "Check the file and its file system.";
  }
}

/** Frames are missing in the capture, because the reader of its pipe is too slow. */
export class CaptureIncomplete extends FerruleError {
  readonly code = "CAPTURE_INCOMPLETE";
  readonly hint = "The reader of the pipe is too slow: capture to a file.";
  constructor(path: string) {
    super(`capture to ${outputName(path)} is missing frames`);
  }
}

/** Where the capture's bytes are written. */
export type CaptureSink = Pick<OutputFile, "write" | "truncate" | "close">;

export interface CaptureOptions {
  /** Names of the interfaces in the capture, in order of their identifiers. */
  readonly interfaces?: readonly string[];
  /**
   * Called when the first frame is missing from the capture, and when an error stops the capture later than in the
   * constructor, which throws.
   */
  readonly onError?: (error: CaptureFailed | CaptureIncomplete) => void;
  readonly clock?: Clock;
  /**
   * The time in microseconds since 1970 when the capture is opened; default: the system's time. Later times are
   * computed from `clock`.
   */
  readonly epochMicros?: number;
  /** Used instead of the file at `path`. */
  readonly sink?: CaptureSink;
}

/**
 * A capture file, written by the thread that captures.
 *
 * Frames are collected in a buffer of 256 KiB, which is written when the next frame does not fit, and on `flush`. The
 * first error stops the capture and is reported; traffic continues. Writing never blocks on a pipe: while the buffer is
 * full, frames are counted and dropped.
 *
 * Invariant: while no write is in progress, the file consists of whole blocks, even after an error (except a pipe or
 * standard output, which are not truncated).
 */
export class CaptureFile implements FrameObserver, Disposable {
  /** Number of captured frames. */
  frames = 0;
  /** Number of frames dropped because a pipe's reader was too slow. */
  dropped = 0;
  readonly #path: string;
  readonly #sink: CaptureSink;
  readonly #clock: Clock;
  readonly #writer = new PcapngWriter(newMemory(BUFFER_BYTES), SNAP_LENGTH);
  /** Time since 1970, in seconds and microseconds, when the clock was at `#openedAt`. */
  readonly #startSeconds: number;
  readonly #startMicros: number;
  readonly #openedAt: number;
  #onError: CaptureOptions["onError"];
  #error: CaptureFailed | undefined;
  #closed = false;
  /** Number of bytes of the buffer that are already in the file. */
  #written = 0;
  /** Number of bytes in the file that come before the buffer's first byte. */
  #before = 0;
  /** The array that contained the last frame, as bytes and as words. */
  #seen: Memory = newMemory(0);

  /**
   * @param path of a file or a pipe with a reader; "-" for standard output
   * @throws {CaptureFailed} if the file cannot be opened or its header cannot be written
   */
  constructor(path: string, options: CaptureOptions = {}) {
    const now = options.epochMicros ?? Date.now() * 1000;
    this.#path = path;
    this.#clock = options.clock ?? new RealClock();
    this.#openedAt = this.#clock.now();
    this.#startSeconds = Math.floor(now / 1_000_000);
    this.#startMicros = now - this.#startSeconds * 1_000_000;
    this.#sink = options.sink ?? openFile(path);
    this.#writer.section("Ferrule");
    for (const name of options.interfaces ?? ["wire"]) this.#writer.interface(name, Resolution.nano);
    this.flush();
    if (this.#error !== undefined) throw this.#error;
    this.#onError = options.onError;
  }

  /** The error that stopped the capture; undefined if there was none. */
  get error(): CaptureFailed | undefined {
    return this.#error;
  }

  /** Captures the frame of `length` bytes at `offset`. `outgoing`: true for frames that the interface sent. */
  frame(bytes: Uint8Array, offset: number, length: number, outgoing: boolean, interfaceId = 0): void {
    if (this.#closed) return;
    const elapsed = this.#startMicros + this.#clock.now() - this.#openedAt;
    const whole = Math.floor(elapsed / 1_000_000);
    const seconds = this.#startSeconds + whole;
    const nanoseconds = Math.floor((elapsed - whole * 1_000_000) * 1000);
    const direction = outgoing ? Direction.outbound : Direction.inbound;
    const kept = Math.min(length, SNAP_LENGTH);
    if (this.#writer.used + kept + PACKET_OVERHEAD + 4 > BUFFER_BYTES) this.flush();
    const from = this.#memoryOf(bytes);
    if (this.#writer.packet(interfaceId, direction, seconds, nanoseconds, from, offset, length)) this.frames++;
    else if (this.dropped++ === 0) this.#onError?.(new CaptureIncomplete(this.#path));
  }

  /** Writes as much buffered data as possible without blocking. */
  flush(): void {
    const { used, memory } = this.#writer;
    while (this.#error === undefined && !this.#closed && this.#written < used) {
      try {
        const taken = this.#sink.write(memory.bytes, this.#written, used - this.#written);
        if (taken === 0) break;
        this.#written += taken;
      } catch (error) {
        if (errnoOf(error) === "EAGAIN") break;
        this.#fail(error);
      }
    }
    const whole = this.#writer.wholeBlocks(this.#written);
    this.#writer.consume(whole);
    this.#written -= whole;
    this.#before += whole;
  }

  /** Writes the buffered data and closes the file. Waits up to a second for the reader of a pipe. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    for (let waited = 0; ; waited += STEP_MILLIS) {
      this.flush();
      if (this.#error !== undefined || this.#writer.used === 0) break;
      if (waited >= CLOSE_MILLIS) this.#fail({ code: "EAGAIN" });
      else this.#clock.delay(STEP_MILLIS * 1000);
    }
    this.#close();
  }

  #fail(cause: unknown): void {
    this.#error = new CaptureFailed(this.#path, cause);
    try {
      this.#sink.truncate(this.#before + this.#writer.wholeBlocks(this.#written));
    } catch {
      // A pipe or device cannot be truncated. The error that is reported below is the first one.
    }
    this.#close();
    this.#onError?.(this.#error);
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      this.#sink.close();
    } catch (error) {
      // A network file system may report a full disk only when the file is closed.
      if (this.#error === undefined) this.#onError?.((this.#error = new CaptureFailed(this.#path, error)));
    }
  }

  #memoryOf(bytes: Uint8Array): Memory {
    if (this.#seen.bytes !== bytes) this.#seen = memoryOf(bytes);
    return this.#seen;
  }
}

const errnoOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "code" in error && typeof error.code === "string"
    ? error.code
    : "unknown error";

const openFile = (path: string): CaptureSink => {
  try {
    return openOutput(path);
  } catch (error) {
    throw new CaptureFailed(path, error);
  }
};

/**
 * A port around `port` that captures every frame in both directions. Outgoing frames are those that the NIC sends. A
 * frame always passes whole, never as separate headers and payload or as segments.
 */
export const captured = (port: Port, capture: CaptureFile, interfaceId = 0): Port => {
  let reserved = 0;
  return {
    bytes: port.bytes,
    ...(port.memory && { memory: port.memory }),
    reserve: (length) => (reserved = port.reserve(length)),
    commit: (length, continues) => {
      capture.frame(port.bytes, reserved, length, true, interfaceId);
      port.commit(length, continues);
    },
    flush: () => port.flush(),
    plug: (nic: Plug) =>
      port.plug({
        receive: (bytes, offset, length) => {
          capture.frame(bytes, offset, length, false, interfaceId);
          return nic.receive(bytes, offset, length);
        },
        hasRoom: () => nic.hasRoom?.() ?? true,
      }),
  };
};
