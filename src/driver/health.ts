/** Checks a running NIC periodically for failures that the NIC does not report by itself. */
import { QUIRKS } from "#chip/quirks.ts";
import { RDU_STA } from "#chip/registers-8125.ts";
import { Intr } from "#chip/registers.ts";
import { DeviceGone } from "#kit/errors.ts";
import type { Mmio } from "#kit/mmio.ts";
import { takeBusErrors } from "./bus-errors.ts";
import type { Hardware } from "./hardware.ts";
import type { Phy } from "./phy.ts";
import { ReceiveCount } from "./receive-core.ts";
import type { RingPair } from "./rings.ts";
import type { TransmitRing } from "./transmit-ring.ts";

/** Results of a check. `doorbellLost` needs no action, `phyLost` a reset of the PHY, the others a reset of the chip. */
export type Finding = "doorbellLost" | "systemError" | "transmitTimeout" | "receiveStall" | "phyLost";

/**
 * Time that a descriptor may wait while the link is up before the doorbell is rung once more. It is longer than the
 * time for which one pause frame can stop the transmitter at 100 Mbit/s.
 */
export const RING_AGAIN_MICROS = 500_000;
/** Time that a descriptor may wait before the chip is reset. Linux's network stack has the same limit. */
export const TRANSMIT_LIMIT_MICROS = 5_000_000;
/**
 * Greatest time between two checks that counts as waiting. If more has passed, this process was not running, for
 * example in a paused virtual machine, and the chip may not have been running either.
 */
export const LONGEST_PAUSE_MICROS = 200_000;
/** Interval at which the status and the PHY are checked. */
export const CHECK_MICROS = 1_000_000;
/**
 * A receive stall is reported after this number of consecutive checks that found lost frames, but no filled descriptor
 * and no received frame.
 */
const STALLED_CHECKS = 3;

const LOSSES = Intr.receiveFifoOverflow | Intr.receiveUnavailable;

const handled = (counters: Float64Array): number =>
  counters[ReceiveCount.frames]! + counters[ReceiveCount.errors]! + counters[ReceiveCount.nonsense]!;

/**
 * State of one transmit queue: its oldest descriptor, how long it has been the oldest, and whether the doorbell was rung
 * again for it.
 */
class TransmitWatch {
  #oldest = -1;
  #waited = 0;
  #rung = false;

  /** @param micros time since the last check */
  check(transmit: TransmitRing, linkUp: boolean, micros: number): Finding | undefined {
    const oldest = linkUp ? transmit.oldest() : -1;
    if (oldest !== this.#oldest || oldest < 0) {
      const doorbellLost = this.#rung && linkUp;
      this.#oldest = oldest;
      this.#waited = 0;
      this.#rung = false;
      return doorbellLost ? "doorbellLost" : undefined;
    }
    this.#waited += micros;
    if (this.#waited >= TRANSMIT_LIMIT_MICROS) return "transmitTimeout";
    if (this.#waited >= RING_AGAIN_MICROS && !this.#rung) {
      this.#rung = true;
      transmit.ring();
    }
    return undefined;
  }
}

export class Health {
  /** Number of times that the interrupt status showed a full receive FIFO. */
  fifoOverflows = 0;
  /** Number of times that the interrupt status showed a receive ring without a free descriptor. */
  ringsExhausted = 0;
  /** The errors that the PCI status register showed at the last bus error. */
  busErrors: readonly string[] = [];
  readonly #hw: Hardware;
  readonly #config: Mmio;
  /** One watch for each transmit queue. */
  #watches: readonly TransmitWatch[] = [];
  /** Set if a bus error has occurred since the start. */
  #broken = false;
  #lastCheck = 0;
  /** The time of the next check of the status and the PHY. */
  #nextCheck = 0;
  #losses = 0;
  #received = 0;
  #stalled = 0;

  constructor(hw: Hardware, config: Mmio) {
    this.#hw = hw;
    this.#config = config;
  }

  /** Discards earlier results. Call it after each start of the NIC. */
  reset(): void {
    this.#watches = Array.from({ length: this.#hw.queues }, () => new TransmitWatch());
    this.#broken = false;
    this.#stalled = 0;
    this.#received = 0;
    this.#losses = this.#lost;
    this.#lastCheck = this.#hw.clock.now();
    this.#nextCheck = this.#lastCheck + CHECK_MICROS;
  }

  /**
   * Counts the losses of frames that an interrupt status reports, and reads the cause of a bus error. Call it with each
   * status that was read.
   */
  note(status: number): void {
    if ((status & Intr.systemError) !== 0) {
      this.busErrors = takeBusErrors(this.#config);
      this.#broken ||= this.busErrors.length > 0;
    }
    if ((status & Intr.receiveFifoOverflow) !== 0) this.fifoOverflows++;
    if ((status & Intr.receiveUnavailable) !== 0) this.ringsExhausted++;
  }

  /** Call it about every 50 ms. Most calls read no register. @throws {DeviceGone} */
  check(queues: readonly RingPair[], phy: Phy, linkUp: boolean): Finding | undefined {
    const now = this.#hw.clock.now();
    const passed = Math.min(now - this.#lastCheck, LONGEST_PAUSE_MICROS);
    this.#lastCheck = now;
    for (const [i, { transmit }] of queues.entries()) {
      const finding = transmit === undefined ? undefined : this.#watches[i]!.check(transmit, linkUp, passed);
      if (finding !== undefined) return finding;
    }
    if (now < this.#nextCheck) return undefined;
    this.#nextCheck = now + CHECK_MICROS;
    this.#checkStatus();
    if (this.#broken) return "systemError";
    if (phy.lost) {
      // The PHY also reads all ones if the card has left the bus. In that case `#status` throws.
      this.#status();
      return "phyLost";
    }
    return this.#isReceiverStalled(queues) ? "receiveStall" : undefined;
  }

  /**
   * Checks the status bits of events that raise no interrupt: lost frames and, on chips that sometimes set SYSErr
   * without a reason, bus errors. If SYSErr was set without a reason, PCI status shows no error.
   */
  #checkStatus(): void {
    const { io, interrupts, chip } = this.#hw;
    const status = this.#status();
    const latched = interrupts.vectored
      ? this.#unvectoredStatus()
      : status & (LOSSES | (QUIRKS.spuriousSystemError.on(chip) ? Intr.systemError : 0));
    if (latched === 0) return;
    this.note(latched);
    interrupts.acknowledge(io, latched);
  }

  /** @throws {DeviceGone} */
  #status(): number {
    const { io, interrupts } = this.#hw;
    const status = interrupts.status(io);
    if (status === interrupts.absent) throw new DeviceGone("IntrStatus");
    return status;
  }

  /**
   * Returns the status bits that the vectored status does not have. RDU_STA reports lost frames. The bit for bus errors
   * is always returned, so that `note` reads PCI status, which reports them.
   */
  #unvectoredStatus(): number {
    const { io } = this.#hw;
    const exhausted = io.read16(RDU_STA);
    if (exhausted !== 0) io.acknowledge16(RDU_STA, exhausted);
    return Intr.systemError | (exhausted === 0 ? 0 : Intr.receiveUnavailable);
  }

  #isReceiverStalled(queues: readonly RingPair[]): boolean {
    const received = queues.reduce((sum, { receive }) => sum + handled(receive.counters()), 0);
    const waits = queues.some(({ receive }) => receive.waiting());
    const stalled = this.#lost !== this.#losses && received === this.#received && !waits;
    this.#losses = this.#lost;
    this.#received = received;
    this.#stalled = stalled ? this.#stalled + 1 : 0;
    return this.#stalled >= STALLED_CHECKS;
  }

  get #lost(): number {
    return this.fifoOverflows + this.ringsExhausted;
  }
}
