/**
 * Tests the removal of a card at each register access of bring-up, of an MTU change, of unbind and of a health check.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { chipNamed } from "#chip/chips.ts";
import { DirectDevice } from "#bus/direct.ts";
import { type Finding, CHECK_MICROS } from "#driver/health.ts";
import { rtl8169 } from "#driver/probe.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { DeviceGone, FerruleError } from "#kit/errors.ts";
import type { GuestMemory, RegionName, Target } from "#kit/target.ts";
import { Rtl8169 } from "#model/rtl8169.ts";

/**
 * A chip that is removed after `accesses` register accesses: from then on register reads return all ones, and register
 * writes are lost. Configuration space stays accessible.
 */
class Vanishing implements Target {
  readonly #inner: Rtl8169;
  left: number;
  constructor(inner: Rtl8169, accesses: number) {
    this.#inner = inner;
    this.left = accesses;
  }
  size(region: RegionName): number {
    return this.#inner.size(region);
  }
  read(region: RegionName, offset: number, width: 1 | 2 | 4): number {
    if (region !== "config" && this.left-- <= 0) return 2 ** (8 * width) - 1;
    return this.#inner.read(region, offset, width);
  }
  write(region: RegionName, offset: number, width: 1 | 2 | 4, value: number): void {
    if (region === "config" || this.left-- > 0) this.#inner.write(region, offset, width, value);
  }
  reset(): void {
    this.#inner.reset();
  }
  powerCycle(): void {
    this.#inner.powerCycle();
  }
  detach(): void {
    this.#inner.detach();
  }
  memoryChanged(): void {
    this.#inner.memoryChanged();
  }
  asserted(): boolean {
    return this.#inner.asserted();
  }
  attach(memory: GuestMemory, raise: (vector: number) => void): void {
    this.#inner.attach(memory, raise);
  }
}

const vanishing = (accesses: number): { clock: VirtualClock; target: Vanishing; device: DirectDevice } => {
  const clock = new VirtualClock();
  const chip = chipNamed("rtl8168h")!;
  const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
  model.setCarrier(true);
  const target = new Vanishing(model, accesses);
  const device = new DirectDevice(target, { name: "test", registers: 2, dmaBytes: 16 << 20, vectors: 1 });
  return { clock, target, device };
};

/**
 * Binds a NIC, brings it up, changes its MTU and unbinds it, on a card that is removed after `accesses` register
 * accesses.
 */
const attempt = (accesses: number): { used: number; error: unknown; live: number; waited: number } => {
  const { clock, target, device: owned } = vanishing(accesses);
  using device = owned;
  let error: unknown;
  try {
    using bound = bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false });
    bound.driver.up();
    clock.delay(100_000);
    if (bound.driver.line.take()) bound.driver.interrupt();
    bound.driver.setMtu(9000);
    bound.driver.tally();
  } catch (caught) {
    error = caught;
  }
  return { used: accesses - target.left, error, live: device.dma.live, waited: clock.now() };
};

test("a card that is removed at any access of bring-up, MTU change or unbind causes a clear error and no leak", () => {
  const whole = attempt(Number.MAX_SAFE_INTEGER);
  assert.equal(whole.error, undefined);
  assert.equal(whole.live, 0);
  let errors = 0;
  for (let accesses = 0; accesses < whole.used; accesses++) {
    const { error, live, waited } = attempt(accesses);
    assert.equal(live, 0, `DMA memory is not freed after a removal at access ${accesses}`);
    assert.ok(waited < 20e6, `the driver waited ${waited} µs for a card that was removed at access ${accesses}`);
    if (error === undefined) continue;
    errors++;
    assert.ok(error instanceof FerruleError, `a removal at access ${accesses} causes ${inspect(error)}`);
    assert.ok(error.hint.length > 0);
  }
  assert.ok(errors > whole.used / 2, `only ${errors} of ${whole.used} removals were detected`);
});

/** Checks a NIC for failures, on a card that is removed after `accesses` register accesses of that check. */
const check = (accesses: number): { used: number; finding: Finding | undefined; error: unknown } => {
  const { clock, target, device: owned } = vanishing(Number.MAX_SAFE_INTEGER);
  using device = owned;
  const nic = bind(rtl8169, device, { clock, mtu: 1500, weaklyOrdered: false }).driver;
  nic.up();
  clock.delay(2 * CHECK_MICROS);
  target.left = accesses;
  try {
    const finding = nic.checkHealth();
    return { used: accesses - target.left, finding, error: undefined };
  } catch (error) {
    return { used: accesses - target.left, finding: undefined, error };
  }
};

test("a card that is removed at any access of a check is reported as gone, not as a PHY that lost its settings", () => {
  const { used } = check(Number.MAX_SAFE_INTEGER);
  assert.ok(used >= 8, `a check makes only ${used} accesses`);
  for (let accesses = 0; accesses < used; accesses++) {
    const { finding, error } = check(accesses);
    assert.equal(finding, undefined, `a removal at access ${accesses} is reported as another failure`);
    assert.ok(error === undefined || error instanceof DeviceGone, inspect(error));
  }
  assert.ok(check(0).error instanceof DeviceGone);
});
