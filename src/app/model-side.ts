/** The model and the far end of its wire, with the functions that the loop of a data-plane thread calls. */
import { framesOf } from "#chip/frames.ts";
import { CaptureFile } from "#host/capture.ts";
import { type Clock, Timers } from "#kit/clock.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import type { LinkMode } from "#sys/link-settings.ts";
import type { Poller } from "#sys/poll.ts";
import type { Memory } from "#wire/memory.ts";
import { FirstLosses } from "./first-losses.ts";
import { modelChip } from "./model-page.ts";
import { plainError } from "./plain-error.ts";
import type { ModelTask, Report } from "./session-messages.ts";
import { NO_PAUSES, type PauseCounts } from "./pauses.ts";
import { StatisticsPage } from "./statistics-page.ts";
import { WIRE_COUNTERS, type WireCounter } from "./counters.ts";
import { type FarEnd, openFarEnd } from "./wires/far-end.ts";

/**
 * Maximum number of frames that are taken from the wire before the driver gets its turn. This number of frames fills a
 * ring of the default size.
 */
const BUDGET = 256;
/** Longest wait in milliseconds. It is short, so that statistics stay current. */
const MAX_WAIT_MILLIS = 250;

export class ModelSide implements Disposable {
  readonly model: Rtl8169;
  readonly #scope: DisposableStack;
  readonly #clock: Clock;
  readonly #timers = new Timers();
  readonly #page: StatisticsPage<WireCounter>;
  readonly #losses: FirstLosses;
  readonly #far: FarEnd;
  readonly #capture: CaptureFile | undefined;
  /** The link state that was last passed to the far end. */
  #link: LinkMode | undefined;
  /** The carrier that was last passed to the NIC. */
  #carrier = false;
  #pauses: PauseCounts = NO_PAUSES;

  /** @param parts `memory` is the channel's memory, which has room for the wire's frames after the DMA window */
  constructor(task: ModelTask, parts: { clock: Clock; memory: Memory; report: (report: Report) => void }) {
    using scope = new DisposableStack();
    this.#clock = parts.clock;
    this.#page = new StatisticsPage(task.statistics, WIRE_COUNTERS);
    this.#losses = new FirstLosses((event) => parts.report({ report: "event", event }));
    const chip = modelChip(task.chip);
    this.model = new Rtl8169({
      chip,
      mac: task.mac,
      clock: parts.clock,
      timers: this.#timers,
      memory: task.channel.page,
      weaklyOrdered: process.arch !== "x64",
    });
    const onError = (error: Error): void => {
      const { message, hint } = plainError(error);
      parts.report({ report: "event", event: { kind: "warning", message, hint } });
    };
    this.#capture =
      task.capture === undefined
        ? undefined
        : scope.use(new CaptureFile(task.capture, { interfaces: ["wire"], onError }));
    this.#far = openFarEnd(scope, task.wire, {
      clock: parts.clock,
      socketMode: task.socketMode,
      longestFrame: framesOf(chip).longestFrame,
      mtu: task.mtu,
      memory: parts.memory,
      staging: task.channel.dmaBytes,
      capture: this.#capture,
      onPlug: (plugged, why) => parts.report({ report: "event", event: { kind: "wire", plugged, why } }),
      onError,
    });
    this.model.connect(this.#far.port);
    this.#follow();
    this.#scope = scope.move();
  }

  [Symbol.dispose](): void {
    // The last counters include frames that the driver sent while it was being stopped.
    this.publish(this.#pauses);
    this.#scope.dispose();
  }

  /** Runs due timers. */
  elapse(): void {
    this.#timers.run(this.#clock.now());
  }

  /** Runs due timers and receives frames; returns the number of frames. */
  pump(): number {
    this.elapse();
    this.#follow();
    return this.#far.pump(BUDGET);
  }

  /** Makes poll(2) report frames from the far end, unless frames are already waiting for room in the NIC. */
  arm(poller: Poller, i: number): void {
    const { fd, events, pending } = this.#far;
    poller.aim(i, pending ? -1 : fd);
    poller.watch(i, events);
  }

  /**
   * Limit in milliseconds for the loop's next wait, which ends at the latest when a timer is due. The limit is 1 while
   * frames wait for room in the NIC, because no event signals that there is room.
   */
  pollTimeout(): number {
    const { pending, due } = this.#far;
    const micros = Math.min(this.#timers.next, due) - this.#clock.now();
    return Math.max(0, Math.min(pending ? 1 : MAX_WAIT_MILLIS, Math.ceil(micros / 1000)));
  }

  /** Flushes the capture. */
  flush(): void {
    this.#capture?.flush();
  }

  /** Gives the NIC a carrier while the wire is plugged in, and passes the NIC's link state to the far end. */
  #follow(): void {
    const { plugged } = this.#far;
    if (plugged !== this.#carrier) {
      this.#carrier = plugged;
      this.model.setCarrier(plugged);
    }
    const { link } = this.model;
    if (link === this.#link) return;
    this.#link = link;
    this.#far.setLink(link);
  }

  publish(pauses: PauseCounts): void {
    this.#pauses = pauses;
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
    this.#losses.check({ wireDrops: drops, missedFrames: this.model.counters.rxMissed });
  }
}
