/** A NIC of every kind on one guest, each with an unconnected cable. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VfioUserServer } from "#bus/vfio-user/server.ts";
import type { Chip } from "#chip/chips.ts";
import { RealClock, Timers } from "#kit/clock.ts";
import type { Target } from "#kit/target.ts";
import { Rtl8169 } from "#model/rtl8169.ts";

const IDLE_MILLIS = 1;
/** Slots 0 to 2 of the machine's bus are taken. */
const FIRST_SLOT = 3;
const SLOTS = 28;

interface OneNic {
  readonly chip: Chip;
  readonly mac: string;
  /** Address of its PCI function in the guest: "0000:00:03.0". */
  readonly place: string;
  readonly nic: Rtl8169;
  readonly server: VfioUserServer;
  readonly device: string;
}

/** NICs whose models run in this process, between its other tasks. */
export class ManyNics implements Disposable {
  readonly nics: readonly OneNic[];
  readonly #clock = new RealClock();
  readonly #timers = new Timers();
  readonly #folder = mkdtempSync(join(tmpdir(), "ferrule-nics-"));
  /** Offences of drivers, and errors of clients. */
  readonly complaints: string[] = [];
  readonly #around: (nic: Rtl8169, i: number) => Target;
  #closed = false;
  #next: NodeJS.Timeout | NodeJS.Immediate;

  /**
   * @param around returns the device to serve for a model; by default the model itself
   * @param mac the address of all NICs; by default each NIC has its own
   */
  constructor(chips: readonly Chip[], around: (nic: Rtl8169, i: number) => Target = (nic) => nic, mac?: string) {
    this.#around = around;
    const each = Math.ceil(chips.length / SLOTS);
    this.nics = chips.map((chip, i) =>
      this.#make(chip, i, each, mac ?? `02:00:00:00:01:${i.toString(16).padStart(2, "0")}`),
    );
    this.#next = setImmediate(() => this.#turn());
  }

  /** Arguments for QEMU. */
  get devices(): readonly string[] {
    return this.nics.flatMap(({ device }) => ["-device", device]);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#next as NodeJS.Timeout);
    clearImmediate(this.#next as NodeJS.Immediate);
    for (const { server } of this.nics) server[Symbol.dispose]();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param functions number of functions that share a slot */
  #make(chip: Chip, i: number, functions: number, mac: string): OneNic {
    const slot = FIRST_SLOT + Math.floor(i / functions);
    const at = `${slot.toString(16).padStart(2, "0")}.${i % functions}`;
    const path = join(this.#folder, `${i}`);
    const nic = new Rtl8169({
      chip,
      mac,
      clock: this.#clock,
      timers: this.#timers,
      report: ({ name, trace }) => this.complaints.push(`${chip.key}: ${name}, ${trace.slice(-4).join("; ")}`),
    });
    nic.setCarrier(true);
    const server = new VfioUserServer(this.#around(nic, i), {
      path,
      clock: this.#clock,
      timers: this.#timers,
      onClient: ({ why }) => {
        if (why !== undefined) this.complaints.push(`${chip.key}: ${why}`);
      },
    });
    const socket = { type: "unix", path };
    const multifunction = functions > 1 && i % functions === 0 ? { multifunction: true } : {};
    const device = JSON.stringify({ driver: "vfio-user-pci", id: `nic${i}`, socket, addr: at, ...multifunction });
    return { chip, mac, place: `0000:00:${at}`, nic, server, device };
  }

  #turn(): void {
    this.#timers.run(this.#clock.now());
    let done = 0;
    for (const { server } of this.nics) done += server.ready();
    if (this.#closed) return;
    this.#next = done > 0 ? setImmediate(() => this.#turn()) : setTimeout(() => this.#turn(), IDLE_MILLIS);
  }
}
