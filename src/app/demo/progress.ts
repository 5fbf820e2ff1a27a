/** Progress of the demo: a bar on a terminal, a line per step in logs. */
import { amount, bar, bitRate, fitted } from "../terminal/format.ts";
import type { Stream } from "../terminal/terminal.ts";

const BAR_WIDTH = 24;
/** Width of the names of steps, in columns. */
const LABEL_WIDTH = 14;

/** The line of a step in progress. */
export const progressLine = (label: string, done: number, total: number, bitsPerSecond: number): string =>
  `${label.padEnd(LABEL_WIDTH)}${bar(done / total, BAR_WIDTH)} ${amount(done)} of ${amount(total)}, ${bitRate(bitsPerSecond)}`;

export class Progress {
  readonly #stream: Stream;
  #drawn = false;

  /** @param stream the stream for progress: stderr */
  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** Shows the progress of a step, if the stream is a terminal. */
  update(line: string): void {
    if (!this.#stream.isTerminal) return;
    this.#stream.write(`\r${fitted(line, this.#stream.columns() - 1)}\u001b[K`);
    this.#drawn = true;
  }

  /** Prints a line, such as that a step is complete. */
  say(line: string): void {
    this.clear();
    this.#stream.line(line);
  }

  step(label: string, text: string): void {
    this.say(label.padEnd(LABEL_WIDTH) + text);
  }

  /** Clears the line that `update` has drawn, so that further output takes its place. */
  clear(): void {
    if (this.#drawn) this.#stream.write("\r\u001b[K");
    this.#drawn = false;
  }
}
