/** Records a card's former driver in a small file, so that `unbind` can return the card, whatever happened in between. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { BindNotPermitted } from "./errors.ts";
import { textOf } from "./files.ts";

export interface Origin {
  /** The former driver; undefined if it had none. */
  readonly driver: string | undefined;
  /** The driver's module; undefined if it is built in. */
  readonly module: string | undefined;
  /** The card's driver_override. */
  readonly override: string | undefined;
}

/** A restart of the machine removes this folder, and also undoes all bindings. */
const FOLDER = "/run/ferrule/cards";
/** Valid names of drivers and modules. They are checked because they become parts of paths. */
const NAME = /^[\w-]{1,64}$/;

const nameIn = (value: unknown): string | undefined =>
  typeof value === "string" && NAME.test(value) ? value : undefined;

/** Removes a file if it exists. */
const discard = (path: string): void => {
  try {
    unlinkSync(path);
  } catch {
    // Either the file does not exist, or what prevented its creation also prevents its removal.
  }
};

/** Records of the bound cards, one file each. */
export class Records {
  readonly #folder: string;

  constructor(folder = FOLDER) {
    this.#folder = folder;
  }

  /** Reads the record of a card. @returns undefined if there is none, or if it is invalid */
  read(address: string): Origin | undefined {
    try {
      const value: unknown = JSON.parse(textOf(this.#path(address)) ?? "");
      if (typeof value !== "object" || value === null) return undefined;
      const { driver, module, override } = value as { [K in keyof Origin]?: unknown };
      // `null` means that the card had no driver. Any other value must be a valid name.
      if (driver !== null && nameIn(driver) === undefined) return undefined;
      return { driver: nameIn(driver), module: nameIn(module), override: nameIn(override) };
    } catch {
      return undefined;
    }
  }

  /** Writes a record completely or not at all, even if the machine stops during the call. @throws {BindNotPermitted} */
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
