/**
 * The 8127's SerDes: on the fibre variant (RTL8127ATF) an SFP module is connected to it, and the copper PHY is not
 * used.
 */
import {
  At233a,
  At2350,
  SDS_ADDR,
  SDS_CMD,
  SDS_DATA_IN,
  SDS_DATA_OUT,
  Serdes,
  SerdesCommand,
} from "#chip/registers-8125.ts";
import type { Effects } from "../registers/effects.ts";
import { type Words, wordsOf } from "../observation/state.ts";
import type { Page } from "../registers/page.ts";

/** Speed in Mbit/s; 0 while no speed is set. */
export type SerdesSpeed = 0 | 1000 | 10000;

const SPEEDS: ReadonlyMap<number, SerdesSpeed> = new Map([
  [Serdes.mode1000, 1000],
  [Serdes.mode10000, 10000],
]);

/**
 * The SerDes has 16-bit registers at 16-bit addresses, which keep the written value. The width of registers and the
 * mode words are from DPDK `drivers/net/r8169/r8169_fiber.c`. The SerDes is assumed to be stopped until a driver starts
 * it.
 */
export class SerDes {
  readonly effects: Pick<Effects, "serdesCommand" | "serdesMode">;
  readonly #page: Page;
  readonly #changed: () => void;
  readonly #words = new Uint16Array(0x10000);
  #speed: SerdesSpeed = 0;

  /** @param changed called when the speed changed */
  constructor(page: Page, changed: () => void) {
    this.#page = page;
    this.#changed = changed;
    this.effects = {
      serdesCommand: (command) => this.#command(command),
      serdesMode: () => this.#setSpeed(this.#running()),
    };
  }

  get state(): Words {
    return wordsOf(this.#words);
  }

  get speed(): SerdesSpeed {
    return this.#speed;
  }

  /** Call after the registers of the window were reset. */
  powerOn(): void {
    this.#words.fill(0);
    this.#setSpeed(0);
  }

  #setSpeed(speed: SerdesSpeed): void {
    if (speed === this.#speed) return;
    this.#speed = speed;
    this.#changed();
  }

  #running(): SerdesSpeed {
    if ((this.#page.get(At2350, 1) & Serdes.run) === 0) return 0;
    return SPEEDS.get(this.#page.get(At233a, 2)) ?? 0;
  }

  /** Executes a command at once, so the go bit is clear at the next read. */
  #command(command: number): void {
    const page = this.#page;
    page.put(SDS_CMD, 2, command & ~SerdesCommand.go);
    if ((command & SerdesCommand.go) === 0) return;
    const at = page.get(SDS_ADDR, 2);
    if ((command & SerdesCommand.write) === 0) page.put(SDS_DATA_OUT, 2, this.#words[at]!);
    else this.#words[at] = page.get(SDS_DATA_IN, 2);
  }
}
