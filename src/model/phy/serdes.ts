/** The 8127's SerDes: in its fibre version (RTL8127ATF) an SFP module hangs on it, and the copper PHY is not wired to anything. */
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
import type { Page } from "../registers/page.ts";

/** Mbit/s; 0 while it is not set to any speed. */
export type SerdesSpeed = 0 | 1000 | 10000;

const SPEEDS: ReadonlyMap<number, SerdesSpeed> = new Map([
  [Serdes.mode1000, 1000],
  [Serdes.mode10000, 10000],
]);

/**
 * Its own registers hold what is written; that they are 16 bits at 16-bit addresses, and which mode words there are, is from DPDK
 * `drivers/net/r8169/r8169_fiber.c`. That it stands still until a driver starts it is an assumption.
 */
export class SerDes {
  readonly effects: Pick<Effects, "serdesCommand" | "serdesMode">;
  readonly #page: Page;
  readonly #changed: () => void;
  readonly #words = new Uint16Array(0x10000);
  #speed: SerdesSpeed = 0;

  /** @param changed called when it has another speed */
  constructor(page: Page, changed: () => void) {
    this.#page = page;
    this.#changed = changed;
    this.effects = {
      serdesCommand: (command) => this.#command(command),
      serdesMode: () => this.#become(this.#running()),
    };
  }

  get speed(): SerdesSpeed {
    return this.#speed;
  }

  /** Its window on the page is as after power-on already. */
  powerOn(): void {
    this.#words.fill(0);
    this.#become(0);
  }

  #become(speed: SerdesSpeed): void {
    if (speed === this.#speed) return;
    this.#speed = speed;
    this.#changed();
  }

  #running(): SerdesSpeed {
    if ((this.#page.get(At2350, 1) & Serdes.run) === 0) return 0;
    return SPEEDS.get(this.#page.get(At233a, 2)) ?? 0;
  }

  /** Done at once: the go bit is clear with the next read. */
  #command(command: number): void {
    const page = this.#page;
    page.put(SDS_CMD, 2, command & ~SerdesCommand.go);
    if ((command & SerdesCommand.go) === 0) return;
    const at = page.get(SDS_ADDR, 2);
    if ((command & SerdesCommand.write) === 0) page.put(SDS_DATA_OUT, 2, this.#words[at]!);
    else this.#words[at] = page.get(SDS_DATA_IN, 2);
  }
}
