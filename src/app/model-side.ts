/** The model and the far end of its wire, for the loop of a data-plane thread. */
import { chipNamed } from "#chip/chips.ts";
import { type Clock, Timers } from "#kit/clock.ts";
import { OutOfRange } from "#kit/errors.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import type { Link } from "#sys/link-settings.ts";
import type { Memory } from "#wire/memory.ts";
import { type FarEnd, openFarEnd } from "./far-end.ts";
import { type ModelTask, type Report, plainError } from "./messages.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { WIRE_COUNTERS, type WireCounter } from "./statistics.ts";

/** Frames taken from the wire before the driver has its turn: a whole ring. */
const BUDGET = 256;
/** The longest a wait may take, so that the statistics do not grow stale. */
const LONGEST_WAIT_MILLIS = 250;

export class ModelSide implements Disposable {
  readonly model: Rtl8169;
  /** For poll(2): frames from the far end, where it has a descriptor. */
  readonly wireFd: number | undefined;
  readonly #scope: DisposableStack;
  readonly #clock: Clock;
  readonly #timers = new Timers();
  readonly #page: StatisticsPage<WireCounter>;
  readonly #far: FarEnd;
  /** What the far end was told of the link. */
  #link: Link | undefined;

  /** @param memory the channel's memory, in which frames are staged behind the DMA window */
  constructor(task: ModelTask, parts: { clock: Clock; memory: Memory; report: (report: Report) => void }) {
    using scope = new DisposableStack();
    this.#clock = parts.clock;
    this.#page = new StatisticsPage(task.statistics, WIRE_COUNTERS);
    const chip = chipNamed(task.chip);
    if (chip === undefined)
      throw new OutOfRange(`there is no chip ${task.chip}`, "See `ferrule model chips` for the names.");
    this.model = new Rtl8169({
      chip,
      mac: task.mac,
      clock: parts.clock,
      timers: this.#timers,
      memory: task.channel.page,
      weaklyOrdered: process.arch !== "x64",
    });
    this.#far = openFarEnd(scope, task.wire, {
      mtu: task.mtu,
      memory: parts.memory,
      staging: task.channel.dmaBytes,
      capture: task.capture,
      onCaptureError: (error) => {
        const { message, hint } = plainError(error);
        parts.report({ report: "event", event: { kind: "warning", message, hint } });
      },
    });
    this.wireFd = this.#far.fd;
    this.model.connect(this.#far.port);
    this.model.setCarrier(true);
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }

  /** Lets time pass. */
  elapse(): void {
    this.#timers.run(this.#clock.now());
  }

  /** Lets time pass and frames come in; returns how many frames came. */
  pump(): number {
    this.elapse();
    const { link } = this.model;
    if (link !== this.#link) {
      this.#link = link;
      this.#far.setLink(link);
    }
    return this.#far.pump(BUDGET);
  }

  /** Frames wait because the NIC has no room: poll(2) need not report more. */
  get stuck(): boolean {
    return this.#far.pending() > 0;
  }

  /** Milliseconds that the loop may wait: until the next timer, and 1 while frames wait for room, which nothing announces. */
  patience(): number {
    const micros = this.#timers.next - this.#clock.now();
    return Math.max(0, Math.min(this.stuck ? 1 : LONGEST_WAIT_MILLIS, Math.ceil(micros / 1000)));
  }

  /** Writes out what the capture holds back. */
  flush(): void {
    this.#far.flush();
  }

  publish(pauses: { readonly count: number; readonly micros: number }): void {
    const { sentFrames, sentBytes, receivedFrames, receivedBytes, drops } = this.#far.traffic();
    this.#page.publish({
      wireSentFrames: sentFrames,
      wireSentBytes: sentBytes,
      wireReceivedFrames: receivedFrames,
      wireReceivedBytes: receivedBytes,
      wireDrops: drops,
      missedFrames: this.model.counters.rxMissed,
      segmentedFrames: this.model.segmented,
      offences: Object.values(this.model.offences).reduce((a, b) => a + b, 0),
      modelGcPauses: pauses.count,
      modelGcMicros: pauses.micros,
    });
  }
}
