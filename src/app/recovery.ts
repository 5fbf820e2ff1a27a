/** Recovers a NIC that fails: applies the remedies of causes.ts within a budget, and counts and reports the causes. */
import { Asleep, BusError } from "#bus/vfio/errors.ts";
import { ResetTimeout, SideBusTimeout } from "#driver/errors.ts";
import type { Finding } from "#driver/health.ts";
import { responds } from "#driver/identify.ts";
import type { Nic } from "#driver/rtl8169.ts";
import type { Clock } from "#kit/clock.ts";
import type { PciDevice } from "#kit/device.ts";
import { DeviceGone, Timeout } from "#kit/errors.ts";
import { ro16 } from "#kit/mmio.ts";
import { SystemError } from "#sys/errno.ts";
import { CAUSE_NAMES, CAUSES, type CauseName, sentenceOf } from "./causes.ts";
import { plainError } from "./plain-error.ts";
import { QueueStuck } from "./queue-threads.ts";
import { NicGivenUp, RESTART_DELAYS_MICROS, RestartBudget, STEADY_MICROS } from "./restart-budget.ts";
import type { SessionEvent } from "./session.ts";

/** Interval between two checks for failures that the NIC does not report, or for the return of an absent card. */
export const CHECK_MICROS = 50_000;
/** Number of consecutive restarts of the PHY before the whole NIC is restarted. */
const PHY_TRIES = 3;
const VENDOR = ro16(0);

const CAUSE_OF: Readonly<Record<Finding, CauseName>> = {
  doorbellLost: "lostDoorbells",
  systemError: "systemErrors",
  transmitTimeout: "transmitTimeouts",
  receiveStall: "receiveStalls",
  phyLost: "phyLosses",
};

/** Errors that a restart cannot fix. */
export const isFinal = (error: unknown): boolean =>
  error instanceof DeviceGone || error instanceof NicGivenUp || error instanceof QueueStuck;

/** Errors of a chip that has not done something within the time limit. */
const isTimeout = (error: unknown): boolean =>
  error instanceof SideBusTimeout || error instanceof ResetTimeout || error instanceof Timeout;

/** The parts of the data plane that recovery uses. */
export interface DataPlane {
  readonly nic: Nic;
  readonly clock: Clock;
  /** Stops everything that uses the rings. */
  readonly retire: () => void;
  /** Makes the data plane use new rings. */
  readonly connect: () => void;
  /** Reports the state of the NIC's link, which may have changed. */
  readonly carrier: () => void;
  readonly event: (event: SessionEvent) => void;
}

export interface RecoveryParts extends DataPlane {
  readonly device: PciDevice;
  /** Time to wait for a card that does not respond. With 0 the session ends at once. */
  readonly waitMicros: number;
}

export class Recovery {
  readonly counts = Object.fromEntries(CAUSE_NAMES.map((name) => [name, 0])) as Record<CauseName, number>;
  readonly #parts: RecoveryParts;
  readonly #budget: RestartBudget;
  #nextCheck = 0;
  #phyTries = 0;
  #phyLost = -Infinity;
  /** The reason that the driver waits for a card, and the time when it began to wait; undefined if it does not wait. */
  #absence: { readonly error: unknown; readonly since: number } | undefined;

  constructor(parts: RecoveryParts) {
    this.#parts = parts;
    this.#budget = new RestartBudget(parts.clock);
  }

  get restarts(): number {
    return this.#budget.restarts;
  }

  /** Whether the card does not respond and the driver waits for it. */
  get absent(): boolean {
    return this.#absence !== undefined;
  }

  /**
   * Executes what is due: a restart, or a check of the NIC. Returns whether a check was due. Must be called often.
   * @throws {NicGivenUp} {DeviceGone} {BusError} {ChangingIdentification}
   */
  run(): boolean {
    const { clock, nic } = this.#parts;
    const now = clock.now();
    if (this.#absence === undefined && this.#budget.due) this.#restart(() => nic.up());
    if (now < this.#nextCheck) return false;
    this.#nextCheck = now + CHECK_MICROS;
    if (this.#absence !== undefined) this.#checkForCard(this.#absence);
    const finding = nic.checkHealth();
    if (finding !== undefined) this.#remedy(CAUSE_OF[finding]);
    return true;
  }

  /** Counts and reports an occurrence of a cause. */
  note(cause: CauseName, message: string = CAUSES[cause].what): void {
    const { hint } = CAUSES[cause];
    const count = ++this.counts[cause];
    // The first occurrence is a warning. Later ones are counted, and reported only as debug messages.
    this.#parts.event({ kind: count === 1 ? "warning" : "note", message, hint, cause, count });
  }

  /**
   * Restarts a NIC that has stopped working, or takes it down until a restart is due.
   * @param detail default for a system error: the errors in PCI status
   * @throws {NicGivenUp} {DeviceGone}
   */
  fail(cause: CauseName, detail = cause === "systemErrors" ? this.#parts.nic.health.busErrors.join(", ") : ""): void {
    const { nic, retire, carrier } = this.#parts;
    const maxRestarts = RESTART_DELAYS_MICROS.length;
    const keepsLink = this.#budget.full && nic.running && cause !== "startFailures" && cause !== "phyLosses";
    retire();
    if (!keepsLink) {
      this.#takeDown();
      carrier();
    }
    const reason = sentenceOf(cause, detail);
    const attempt = this.#budget.fail(reason);
    this.note(cause, `${reason}: restarting the NIC (${attempt} of at most ${maxRestarts} restarts)`);
    if (keepsLink) this.#restart(() => nic.reset());
  }

  /**
   * Handles an error of the data plane. If the card is gone, the driver begins to wait for it. If a register did not
   * respond in time, the NIC is restarted.
   * @throws {NicGivenUp}; `thrown` if it has another meaning, if the driver does not wait for cards, or if it has waited
   * for `waitMicros`
   */
  handleError(thrown: unknown): void {
    const { clock, waitMicros, retire, carrier } = this.#parts;
    const error = this.explain(thrown);
    if (isTimeout(error) && this.#absence === undefined) {
      this.fail("registerTimeouts", plainError(error).message);
      return;
    }
    const cause = error instanceof DeviceGone ? "absences" : error instanceof BusError ? "busErrors" : undefined;
    if (cause === undefined || waitMicros === 0) throw error;
    if (this.#absence !== undefined) {
      if (clock.now() - this.#absence.since >= waitMicros) throw error;
      return;
    }
    retire();
    try {
      this.#takeDown();
    } catch {
      // The absence of the card, which is reported below, explains this error.
    }
    carrier();
    this.#absence = { error, since: clock.now() };
    this.note(cause, `${plainError(error).message}: waiting up to ${waitMicros / 1e6} s for the card`);
  }

  /** The reason for an error: `DeviceGone` if the PCI vendor ID reads all ones, otherwise the error itself. */
  explain(error: unknown): unknown {
    if (isFinal(error) || error instanceof BusError) return error;
    try {
      return this.#parts.device.config.read16(VENDOR) === 0xffff ? new DeviceGone("the PCI vendor ID") : error;
    } catch {
      return error;
    }
  }

  #remedy(cause: CauseName): void {
    const { remedy } = CAUSES[cause];
    if (remedy === "nothing") this.note(cause);
    else if (remedy === "phy") this.#restartPhy();
    else this.fail(cause);
  }

  #restartPhy(): void {
    const { clock, nic } = this.#parts;
    const now = clock.now();
    this.#phyTries = now - this.#phyLost < STEADY_MICROS ? this.#phyTries + 1 : 1;
    this.#phyLost = now;
    if (this.#phyTries > PHY_TRIES) {
      this.fail("phyLosses");
      return;
    }
    this.note("phyLosses", `${CAUSES.phyLosses.what}: restarting it`);
    try {
      nic.restartPhy();
    } catch (error) {
      // The next check finds the failure again.
      if (isFinal(error)) throw error;
    }
  }

  #takeDown(): void {
    try {
      this.#parts.nic.down();
    } catch (error) {
      // The NIC does not respond correctly. The restart resets it again.
      if (isFinal(error)) throw error;
    }
  }

  #restart(start: () => void): void {
    const { connect, carrier, event } = this.#parts;
    this.#budget.begin();
    try {
      start();
    } catch (thrown) {
      const error = this.explain(thrown);
      if (isFinal(error)) throw error;
      this.fail("startFailures", plainError(error).message);
      return;
    }
    connect();
    event({ kind: "note", message: "the NIC was restarted" });
    carrier();
  }

  #checkForCard({ error, since }: { readonly error: unknown; readonly since: number }): void {
    const { clock, waitMicros, event } = this.#parts;
    const waited = clock.now() - since;
    if (this.#responds()) {
      this.#absence = undefined;
      event({ kind: "note", message: `the card responds again after ${Math.round(waited / 1000)} ms` });
      this.#budget.fail(plainError(error).message);
    } else if (waited >= waitMicros) throw error;
  }

  /** Whether the card responds again. @throws {ChangingIdentification} if it is another card */
  #responds(): boolean {
    const { clock, device, nic } = this.#parts;
    try {
      if (device.config.read16(VENDOR) === 0xffff) return false;
      // The card may have been asleep when it left, or may be asleep now.
      nic.power.end();
      device.power.wake(clock);
      // A reset of the bus switches memory decoding off. This call switches it on, and leaves bus mastering off.
      device.setBusMaster(false);
      return responds(nic.xid, device.registers, device.id.device, clock);
    } catch (refused) {
      if (refused instanceof SystemError || refused instanceof Asleep) return false;
      throw refused;
    }
  }
}
