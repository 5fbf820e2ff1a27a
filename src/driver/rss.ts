/** Receive side scaling: the frames that are hashed, the key, and the queue that each hash selects. */
import { RSS_ENTRIES, RSS_KEY_BYTES } from "#chip/rss.ts";
import { BadRss } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import { RSS_REGISTERS } from "./rss-registers.ts";

/** The key of Microsoft's RSS specification, which also lists hashes made with this key, so results can be verified. */
// prettier-ignore
// oxfmt-ignore
export const KEY = Uint8Array.of(
  0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
  0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
);

/** The settings of `ethtool -X`: hkey, and the table that `equal` and `weight` fill. */
export interface RssSettings {
  /** The key, 40 bytes. */
  readonly key: Uint8Array;
  /** The number of a receive queue in each of 128 entries; the low seven bits of a frame's hash select the entry. */
  readonly table: Uint8Array;
}

/**
 * The settings are kept across resets. The hash covers the addresses of IP packets and the ports of TCP; on the RTL8125
 * and later, also the ports of UDP.
 */
export class Rss {
  readonly #hw: Pick<Hardware, "io" | "side" | "chip" | "queues">;
  readonly #running: () => boolean;
  #settings: RssSettings;

  /** @param running returns true while the chip runs; otherwise `restore` writes the settings at the next start */
  constructor(hw: Pick<Hardware, "io" | "side" | "chip" | "queues">, running: () => boolean) {
    this.#hw = hw;
    this.#running = running;
    this.#settings = { key: KEY, table: this.spread() };
  }

  get settings(): RssSettings {
    const { key, table } = this.#settings;
    return { key: key.slice(), table: table.slice() };
  }

  /** A table that spreads the hashes evenly over the first `queues` queues; default all. @throws {BadRss} */
  spread(queues = this.#hw.queues): Uint8Array {
    if (!(Number.isInteger(queues) && queues >= 1 && queues <= this.#hw.queues))
      throw new BadRss(`${queues} queues`, `Use 1 to ${this.#hw.queues}.`);
    return Uint8Array.from({ length: RSS_ENTRIES }, (_, i) => i % queues);
  }

  /**
   * Changes key or table or both, even while there is traffic. @throws {BadRss} before anything is written; the old
   * settings are kept
   */
  set(change: Partial<RssSettings>): void {
    const { key, table } = { ...this.#settings, ...change };
    if (key.length !== RSS_KEY_BYTES)
      throw new BadRss(`a key of ${key.length} bytes`, `A key has ${RSS_KEY_BYTES} bytes.`);
    if (table.length !== RSS_ENTRIES)
      throw new BadRss(`a table of ${table.length} entries`, `The table has ${RSS_ENTRIES} entries.`);
    const wrong = table.find((queue) => queue >= this.#hw.queues);
    if (wrong !== undefined) throw new BadRss(`queue ${wrong} in the table`, `Use queues 0 to ${this.#hw.queues - 1}.`);
    this.#settings = { key: key.slice(), table: table.slice() };
    if (this.#running()) this.#put();
  }

  /** Writes the settings again. Call it after the chip has been started. */
  restore(): void {
    this.#put();
    this.#registers.start(this.#hw);
  }

  get #registers() {
    return RSS_REGISTERS[this.#hw.chip.profile.queues.rings];
  }

  #put(): void {
    this.#registers.put(this.#hw, this.#settings.key, this.#settings.table);
  }
}
