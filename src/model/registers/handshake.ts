/**
 * The handshake of indirect registers, which uses a flag in the command word: MDIO, PHY-OCP, ERI, CSI, EPHY, EFUSE,
 * OCPAR.
 */
import { FLAG } from "#chip/registers.ts";
import type { Page } from "./page.ts";
import type { Schedule } from "./schedule.ts";
import type { Offences } from "../observation/strict.ts";

/** Performs one access. Returns the new command word, without flag. */
export type Access = (command: number, write: boolean) => number;

export interface HandshakeParts {
  readonly page: Page;
  readonly schedule: Schedule;
  readonly offences: Offences;
}

/**
 * A command word with a flag in bit 31. To write, the guest sets the flag and the chip clears it on completion; to
 * read, the guest clears the flag and the chip sets it when the data is valid.
 */
export class Handshake {
  readonly #page: Page;
  readonly #register: number;
  readonly #schedule: Schedule;
  readonly #offences: Offences;
  readonly #access: Access;
  #cancel: (() => void) | undefined;
  /**
   * Duration of an access in microseconds. It may be changed at any time; with `Infinity` the next access never
   * completes.
   */
  latencyMicros: number;

  constructor(register: number, latencyMicros: number, parts: HandshakeParts, access: Access) {
    this.#page = parts.page;
    this.#schedule = parts.schedule;
    this.#offences = parts.offences;
    this.#register = register;
    this.latencyMicros = latencyMicros;
    this.#access = access;
  }

  /** Called after the driver has written the command word. A write narrower than 32 bits is ignored. */
  command(word: number, lanes: number): void {
    if ((lanes | 0) !== -1) return;
    if (this.#cancel !== undefined) this.#offences.commit("busy", this.#register);
    this.reset();
    this.#page.put(this.#register, 4, word);
    if (this.latencyMicros === Infinity) return;
    let done = false;
    const cancel = this.#schedule.after(this.latencyMicros, () => {
      done = true;
      this.#cancel = undefined;
      this.#complete(word);
    });
    if (!done) this.#cancel = cancel;
  }

  reset(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #complete(word: number): void {
    const write = (word & FLAG) !== 0;
    const left = this.#access(word, write);
    this.#page.put(this.#register, 4, write ? left & ~FLAG : left | FLAG);
  }
}
