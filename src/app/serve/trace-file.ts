/** A trace file. It is written in large pieces, and never blocks the device. */
import { RealClock } from "#kit/clock.ts";
import { FerruleError } from "#kit/errors.ts";
import { openOutput, type OutputFile, outputName } from "#sys/output-file.ts";

const BUFFERED = 64 << 10;
/** Time limit in milliseconds for a pipe's reader to accept the buffered text when the trace is closed. */
const CLOSE_MILLIS = 1000;
const STEP_MILLIS = 10;
const NEWLINE = 10;

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space or trace elsewhere.",
  EDQUOT: "Your disk quota is used up: free some space or trace elsewhere.",
  EPIPE: "The reader of the pipe has closed it.",
  EAGAIN: "The reader of the pipe is too slow: trace to a file.",
  ENXIO: "The pipe has no reader: start the reader first.",
  ENOENT: "Create the directory first.",
  EISDIR: "Name a file, not a directory.",
};

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? "unknown error";

/** The trace could not be opened or written. */
export class TraceFailed extends FerruleError {
  readonly code = "TRACE_FAILED";
  readonly hint: string;
  constructor(path: string, cause: unknown) {
    const code = codeOf(cause);
    super(`trace to ${outputName(path)} stopped: ${code}`, { cause });
    this.hint = HINTS[code] ?? "Choose a directory in which you have write permission.";
  }
}

/** Lines were dropped from the trace, because the reader of its pipe is too slow. */
export class TraceIncomplete extends FerruleError {
  readonly code = "TRACE_INCOMPLETE";
  readonly hint = "The reader of the pipe is too slow: trace to a file.";
  constructor(path: string) {
    super(`lines of the trace to ${outputName(path)} are dropped`);
  }
}

/**
 * A trace in a file or pipe. The first error ends the trace and is reported; the file then ends with a whole line, and
 * the device continues. Writing to a pipe never blocks. While the buffer is full, lines are dropped, which is reported
 * once.
 */
export class TraceFile implements Disposable {
  readonly #path: string;
  readonly #onError: (error: TraceFailed | TraceIncomplete) => void;
  #file: OutputFile | undefined;
  #text = "";
  /** Data that the pipe has not accepted yet, from byte `#at` on. */
  #bytes = new Uint8Array(0);
  #at = 0;
  #incomplete = false;

  /**
   * @param path the path of a file, or of a pipe that has a reader; "-" for standard output
   * @throws {TraceFailed} when the file cannot be opened
   */
  constructor(path: string, onError: (error: TraceFailed | TraceIncomplete) => void) {
    this.#path = path;
    this.#onError = onError;
    try {
      this.#file = openOutput(path);
    } catch (error) {
      throw new TraceFailed(path, error);
    }
  }

  line(text: string): void {
    if (this.#text.length >= BUFFERED) this.flush();
    if (this.#file === undefined) return;
    if (this.#text.length < BUFFERED) this.#text += `${text}\n`;
    else if (!this.#incomplete) {
      this.#incomplete = true;
      this.#onError(new TraceIncomplete(this.#path));
    }
  }

  /** Writes as much of the buffered text as possible. */
  flush(): void {
    while (this.#file !== undefined) {
      if (this.#at === this.#bytes.length) {
        if (this.#text === "") return;
        this.#bytes = new TextEncoder().encode(this.#text);
        this.#at = 0;
        this.#text = "";
      }
      try {
        this.#at += this.#file.write(this.#bytes, this.#at, this.#bytes.length - this.#at);
      } catch (error) {
        if (codeOf(error) !== "EAGAIN") this.#fail(error);
        return;
      }
    }
  }

  /** Writes what is buffered and closes the file. Waits up to a second for a pipe's reader. */
  [Symbol.dispose](): void {
    const clock = new RealClock();
    for (let waited = 0; ; waited += STEP_MILLIS) {
      this.flush();
      if (this.#file === undefined || this.#at === this.#bytes.length) break;
      if (waited >= CLOSE_MILLIS) this.#fail({ code: "EAGAIN" });
      else clock.delay(STEP_MILLIS * 1000);
    }
    this.#close();
  }

  #fail(cause: unknown): void {
    this.#trimToLine();
    this.#close();
    this.#onError(new TraceFailed(this.#path, cause));
  }

  /** Removes an incomplete line from the end of the file. */
  #trimToLine(): void {
    const half = this.#at - 1 - this.#bytes.lastIndexOf(NEWLINE, this.#at - 1);
    try {
      if (this.#at > 0 && half > 0) this.#file!.truncate(this.#file!.size() - half);
    } catch {
      // A pipe or device cannot be truncated. The failure of the trace is reported anyway.
    }
  }

  #close(): void {
    const file = this.#file;
    this.#file = undefined;
    file?.close();
  }
}
