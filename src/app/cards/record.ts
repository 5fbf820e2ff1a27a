/** Where a card came from: remembered in a small file, so that `unbind` gives it back, whatever happened in between. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { BindNotPermitted } from "./errors.ts";
import { textOf } from "./files.ts";

export interface Origin {
  /** The driver it had; undefined when it had none. */
  readonly driver: string | undefined;
  /** That driver's module; undefined when it is built in. */
  readonly module: string | undefined;
  /** Its driver_override. */
  readonly override: string | undefined;
}

/** Gone with the next boot, as bindings are. */
const FOLDER = "/run/ferrule/cards";
/** Of drivers and modules: they become parts of paths. */
const NAME = /^[\w-]{1,64}$/;

const nameIn = (value: unknown): string | undefined =>
  typeof value === "string" && NAME.test(value) ? value : undefined;

/** Removes a file, as far as there is one. */
const discard = (path: string): void => {
  try {
    unlinkSync(path);
  } catch {
    // It was not made, or what keeps us from removing it kept us from making it.
  }
};

/** The cards that were taken, a file for each. */
export class Records {
  readonly #folder: string;

  constructor(folder = FOLDER) {
    this.#folder = folder;
  }

  /** @returns undefined when there is none, or none that makes sense */
  read(address: string): Origin | undefined {
    try {
      const value: unknown = JSON.parse(textOf(this.#path(address)) ?? "");
      if (typeof value !== "object" || value === null) return undefined;
      const { driver, module, override } = value as { [K in keyof Origin]?: unknown };
      // Only a card that is known to have had no driver is left without one.
      if (driver !== null && nameIn(driver) === undefined) return undefined;
      return { driver: nameIn(driver), module: nameIn(module), override: nameIn(override) };
    } catch {
      return undefined;
    }
  }

  /** All of it or nothing, also when the machine stops here. @throws {BindNotPermitted} */
  write(address: string, { driver, module, override }: Origin): void {
    const path = this.#path(address);
    const draft = `${path}.${process.pid}`;
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      const file = openSync(draft, "w", 0o644);
      try {
        writeSync(file, `${JSON.stringify({ driver: driver ?? null, module, override })}\n`);
        fsyncSync(file);
      } finally {
        closeSync(file);
      }
      renameSync(draft, path);
    } catch (error) {
      discard(draft);
      throw new BindNotPermitted(path, (error as NodeJS.ErrnoException).code ?? "EIO");
    }
  }

  remove(address: string): void {
    discard(this.#path(address));
  }

  #path(address: string): string {
    return join(this.#folder, `${address}.json`);
  }
}
