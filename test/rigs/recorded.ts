/** Records every register access of the driver from probe to link, on the model or on plain registers. */
import { DirectDevice } from "#bus/direct.ts";
import { chipNamed } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import type { RegionName, Target } from "#kit/target.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { Altered } from "./altered.ts";

type Width = 1 | 2 | 4;

/**
 * Register accesses as lines: `r8 37 10` has direction and bits, offset, value. Consecutive equal lines are combined
 * into one that ends with their number: `×3`.
 */
class Accesses {
  readonly #accesses: { text: string; times: number }[] = [];

  get lines(): readonly string[] {
    return this.#accesses.map(({ text, times }) => (times === 1 ? text : `${text} ×${times}`));
  }

  /** The device, with its accesses recorded. */
  of(inner: Target): Target {
    return new Altered(inner, {
      read: (region, offset, width, value) => {
        this.#note(region, "r", offset, width, value);
        return value;
      },
      write: (region, offset, width, value) => {
        this.#note(region, "w", offset, width, value);
        return true;
      },
    });
  }

  #note(region: RegionName, direction: "r" | "w", offset: number, width: Width, value: number): void {
    if (region === "config") return;
    const text = `${direction}${8 * width} ${offset.toString(16)} ${value.toString(16)}`;
    const last = this.#accesses.at(-1);
    if (last?.text === text) last.times++;
    else this.#accesses.push({ text, times: 1 });
  }
}

/**
 * A minimal RTL8139C+, a chip that the model does not support. A driver can identify and reset it, and sees a link at
 * 100 Mbit/s, full duplex.
 */
class Remembering implements Target {
  readonly #registers = new DataView(new ArrayBuffer(256));
  readonly #config = new DataView(new ArrayBuffer(256));

  constructor() {
    this.#config.setUint32(0, 0x8139_10ec, true);
    this.#config.setUint8(8, 0x20);
    this.#registers.setUint32(0x00, 0x0000_0002, true); // IDR0: 02:00:00:00:00:01
    this.#registers.setUint32(0x04, 0x0000_0100, true);
    this.#registers.setUint16(0x64, 0x782d, true); // BMSR: negotiation complete, link up
    this.#registers.setUint16(0x68, 0x45e1, true); // ANLPAR: both speeds and duplexes, pause
  }

  size(region: RegionName): number {
    return region === "config" || region === 1 ? 256 : 0;
  }
  read(region: RegionName, offset: number, width: Width): number {
    const view = region === "config" ? this.#config : this.#registers;
    const value =
      width === 1 ? view.getUint8(offset) : width === 2 ? view.getUint16(offset, true) : view.getUint32(offset, true);
    if (region === "config" || offset !== 0x40) return value;
    // The identification in TxConfig cannot be written.
    return ((value & 0x0300_0700) | 0x7480_0000) >>> 0;
  }
  write(region: RegionName, offset: number, width: Width, value: number): void {
    const view = region === "config" ? this.#config : this.#registers;
    if (region !== "config" && offset === 0x37) value &= ~0x10; // A reset completes at once.
    if (region !== "config" && offset === 0x62) value &= ~0x8200; // A PHY reset completes at once.
    if (width === 1) view.setUint8(offset, value);
    else if (width === 2) view.setUint16(offset, value, true);
    else view.setUint32(offset, value, true);
  }
  reset(): void {}
  powerCycle(): void {}
  detach(): void {}
  memoryChanged(): void {}
  asserted(): boolean {
    return false;
  }
  attach(): void {}
}

/** The driver's accesses to a chip from probe until the link is up, which takes at most a second. */
export const recordStart = (key: string): readonly string[] => {
  const clock = new VirtualClock();
  const chip = chipNamed(key);
  const registers = chip === undefined || chip.bus === "pci" ? 1 : 2;
  let inner: Target = new Remembering();
  if (chip !== undefined) {
    const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
    model.setCarrier(true);
    inner = model;
  }
  const accesses = new Accesses();
  using device = new DirectDevice(accesses.of(inner), {
    name: `recorded:${key}`,
    registers,
    dmaBytes: 16 << 20,
    vectors: 1,
  });
  using bound = bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false, slots: 64 });
  const nic = bound.driver;
  nic.up();
  for (let i = 0; i < 1000 && !nic.link.up; i++) {
    clock.delay(1000);
    if (nic.line.take()) nic.interrupt();
    nic.unmask();
  }
  if (!nic.link.up) throw new Error(`${key} has no link after a second`);
  return accesses.lines;
};
