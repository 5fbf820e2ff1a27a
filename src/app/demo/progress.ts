/** Progress of the demo: a bar that is redrawn for people, a line per step for logs. */
import { amount, bar, bitRate, fitted } from "../terminal/format.ts";
import type { Stream } from "../terminal/terminal.ts";

const BAR_WIDTH = 24;
/** Columns the names of steps take. */
const LABEL_WIDTH = 14;

/** One step's line while it is under way. */
export const progressLine = (label: string, done: number, total: number, bitsPerSecond: number): string =>
  `${label.padEnd(LABEL_WIDTH)}${bar(done / total, BAR_WIDTH)} ${amount(done)} of ${amount(total)}, ${bitRate(bitsPerSecond)}`;

export class Progress {
  readonly #stream: Stream;
  #drawn = false;

  /** @param stream where progress goes: stderr */
  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Shows how far a step has come; only where someone watches. */
  update(line: string): void {
    if (!this.#stream.isTerminal) return;
    this.#stream.write(`\r${fitted(line, this.#stream.columns() - 1)}\u001b[K`);
    this.#drawn = true;
  }

  /** Says that a step is done, or something worth a line of its own. */
  say(line: string): void {
    this.clear();
    this.#stream.line(line);
  }

  step(label: string, text: string): void {
    this.say(label.padEnd(LABEL_WIDTH) + text);
  }

  /** Removes a line that is being redrawn, so that the next output starts a line. */
  clear(): void {
    if (this.#drawn) this.#stream.write("\r\u001b[K");
    this.#drawn = false;
  }
}
