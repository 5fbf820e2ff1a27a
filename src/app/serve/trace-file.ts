/** Where trace lines go: a file, written in large pieces, that never stands in the device's way. */
import { closeSync, openSync, writeSync } from "node:fs";
import { FerruleError } from "#kit/errors.ts";

const BUFFERED = 64 << 10;

const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space or trace elsewhere.",
  EDQUOT: "Your disk quota is used up: free some space or trace elsewhere.",
  EPIPE: "Whoever read the pipe has gone.",
  ENOENT: "Create the directory first.",
  EISDIR: "Name a file, not a directory.",
};

/** The trace could not be written any more, or not at all. */
export class TraceFailed extends FerruleError {
  readonly code = "TRACE_FAILED";
  readonly hint: string;
  constructor(path: string, cause: unknown) {
    const { code = "unknown error" } = cause as NodeJS.ErrnoException;
    super(`trace to ${path} stopped: ${code}`, { cause });
    this.hint = HINTS[code] ?? "Choose a place that you may write to.";
  }
}

/** The first error stops it and is reported once; the device goes on. */
export class TraceFile implements Disposable {
  readonly #path: string;
  readonly #onError: (error: TraceFailed) => void;
  #fd: number | undefined;
  #text = "";

  /** @throws {TraceFailed} when the file cannot be opened */
  constructor(path: string, onError: (error: TraceFailed) => void) {
    this.#path = path;
    this.#onError = onError;
    try {
      this.#fd = openSync(path, "w", 0o644);
    } catch (error) {
      throw new TraceFailed(path, error);
    }
  }

  line(text: string): void {
    if (this.#fd === undefined) return;
    this.#text += `${text}\n`;
    if (this.#text.length >= BUFFERED) this.flush();
  }

  flush(): void {
    if (this.#fd === undefined || this.#text === "") return;
    const bytes = new TextEncoder().encode(this.#text);
    this.#text = "";
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at);
    } catch (error) {
      this.#close();
      this.#onError(new TraceFailed(this.#path, error));
    }
  }

  [Symbol.dispose](): void {
    this.flush();
    this.#close();
  }

  #close(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }
}
