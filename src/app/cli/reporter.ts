/** Reports a running command's events, and shows its counters below them on a terminal. */
import { isLogged, type Level, type LoggedEvent, logJson } from "./log.ts";
import { LiveLines } from "./live-view.ts";
import type { Stream } from "../terminal/terminal.ts";

export interface ReportStyle<Event extends LoggedEvent> {
  readonly level: Level;
  readonly json: boolean;
  /** An event as text for users. */
  readonly lines: (event: Event, stream: Stream) => readonly string[];
  /** Fields that every JSON object gets. */
  readonly about?: object;
}

/** Two readings of the counters, and the time between them, which is greater than 0. */
export interface CounterSample<Counters> {
  readonly upSeconds: number;
  readonly before: Counters;
  readonly now: Counters;
  readonly elapsedSeconds: number;
}

export interface View<Counters> {
  readonly read: () => Counters;
  readonly draw: (reading: CounterSample<Counters>, columns: number) => readonly string[];
  readonly redrawMillis: number;
}

export class Reporter<Event extends LoggedEvent> implements Disposable {
  readonly #out: Stream;
  readonly #style: ReportStyle<Event>;
  readonly #live: boolean;
  #picture: LiveLines | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Draws the counters a last time. */
  #finish: () => void = () => {};

  constructor(out: Stream, style: ReportStyle<Event>) {
    this.#out = out;
    this.#style = style;
    this.#live = out.isTerminal && !style.json;
  }

  report(event: Event): void {
    const { level, json, lines, about } = this.#style;
    if (!isLogged(event, level)) return;
    for (const line of json ? [logJson(event, about)] : lines(event, this.#out))
      if (this.#picture === undefined) this.#out.line(line);
      else this.#picture.above(line);
  }

  /** Starts the live view, if the output is a terminal. */
  watch<Counters>({ read, draw, redrawMillis }: View<Counters>): void {
    if (!this.#live) return;
    const picture = (this.#picture = new LiveLines(this.#out));
    const start = performance.now();
    let [before, last] = [read(), start];
    const redraw = (): void => {
      const [now, at] = [read(), performance.now()];
      const elapsedSeconds = Math.max(at - last, 1) / 1000;
      picture.draw(draw({ upSeconds: (at - start) / 1000, before, now, elapsedSeconds }, this.#out.columns()));
      [before, last] = [now, at];
    };
    this.#finish = redraw;
    this.#timer = setInterval(redraw, redrawMillis);
    redraw();
  }

  /** Ends the live view; the last view stays on the screen. */
  [Symbol.dispose](): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#finish();
    this.#picture = undefined;
  }
}
