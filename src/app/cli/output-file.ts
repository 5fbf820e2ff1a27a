/** A file to which a command writes its result. */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { FerruleError } from "#kit/errors.ts";

/** The file could not be written. */
export class NotWritten extends FerruleError {
  readonly code = "NOT_WRITTEN";
  readonly hint = "Choose a directory with write permission, or omit the option to write to stdout.";
  constructor(path: string, cause: unknown) {
    super(`${path} cannot be written [${(cause as NodeJS.ErrnoException).code ?? "EIO"}]`, { cause });
  }
}

/**
 * A file for a result. It is opened before the command does its work, so that an invalid path is reported at once. If
 * the command has no result, a file that did not exist before is removed.
 */
export class OutputFile implements Disposable {
  readonly #path: string;
  readonly #file: number;
  /** Whether the file stays: it existed before, or has been written. */
  #keepOnFailure: boolean;

  /** @throws {NotWritten} */
  constructor(path: string) {
    this.#path = path;
    this.#keepOnFailure = existsSync(path);
    this.#file = this.#tried(() =>
      openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_NONBLOCK, 0o644),
    );
  }

  /** Writes the text, overwriting earlier contents. @throws {NotWritten} */
  write(text: string): void {
    this.#tried(() => {
      if (fstatSync(this.#file).isFile()) ftruncateSync(this.#file);
      writeFileSync(this.#file, text);
      this.#keepOnFailure = true;
    });
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    if (!this.#keepOnFailure) unlinkSync(this.#path);
  }

  #tried<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw new NotWritten(this.#path, error);
    }
  }
}
