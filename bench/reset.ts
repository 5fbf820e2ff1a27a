/**
 * Measures for how long no frames pass after a reset under traffic and after a resume, on a virtual clock and in real
 * time.
 */
import { DirectDevice } from "#bus/direct.ts";
import { type ChipKey, chipNamed } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { type Clock, expect, RealClock, Timers, VirtualClock } from "#kit/clock.ts";
import { type Bound, bind } from "#kit/device.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { Bench as Cable } from "../test/rigs/direct.ts";
import { ends, payload, udp } from "../test/rigs/frames.ts";
import { GENERATIONS } from "../test/rigs/generations.ts";
import { Host } from "../test/rigs/rig.ts";
import type { Bench, BenchOptions, Report } from "./bench.ts";
import { spread, summarize } from "./statistics.ts";

const DEFAULT_ROUNDS = 20;
/** Number of frames in each ring when the reset begins. */
const IN_FLIGHT = 32;
const STEP_MICROS = 50;
/** Limit of each wait; the longest is that of an RTL8106E for its PHY. */
const LIMIT_MICROS = 60_000_000;

/** The machine's clock, which also runs the model's timers whenever the driver waits. */
class PacedClock implements Clock {
  readonly timers = new Timers();
  readonly #real = new RealClock();
  now(): number {
    return this.#real.now();
  }
  delay(micros: number): void {
    this.#real.delay(micros);
    this.timers.run(this.now());
  }
}

/** A NIC with its link up, and the frames that its cable has carried. */
class Setup implements Disposable {
  readonly clock: VirtualClock | PacedClock;
  readonly model: Rtl8169;
  readonly nic: Nic;
  readonly host: Host;
  readonly cable = new Cable();
  readonly #bound: Bound<Nic>;
  readonly #device: DirectDevice;

  constructor(key: ChipKey, clock: VirtualClock | PacedClock) {
    const chip = chipNamed(key)!;
    this.clock = clock;
    this.model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers });
    this.model.connect(this.cable);
    this.model.setCarrier(true);
    const { registersBar: registers } = chip.profile.function;
    this.#device = new DirectDevice(this.model, { name: `model:${key}`, registers, dmaBytes: 32 << 20, vectors: 4 });
    this.#bound = bind(rtl8169, this.#device, { clock, mtu: 1500, weaklyOrdered: false });
    this.nic = this.#bound.driver;
    this.nic.up();
    this.linked();
    this.host = new Host(this.nic, this.#device.dma);
  }

  /** Waits until autonegotiation has completed. */
  linked(): void {
    expect(this.clock, "the link", LIMIT_MICROS, STEP_MICROS, () => this.nic.refreshLink().up);
  }

  /** Sends frames in both directions, and returns how many were delivered in each. */
  traffic(frames: number): readonly [out: number, back: number] {
    this.cable.sent.length = 0;
    for (let i = 0; i < frames; i++) {
      this.host.send(udp(ends(), payload(1000)));
      this.cable.nic!.receive(INBOUND, 0, INBOUND.length);
    }
    return [this.cable.sent.length, this.host.poll().length];
  }

  [Symbol.dispose](): void {
    this.#bound[Symbol.dispose]();
    this.#device[Symbol.dispose]();
  }
}

const INBOUND = udp(ends({ inbound: true }), payload(1000));

/** Microseconds on the setup's clock from `begin` until a frame has passed in each direction. */
const untilTraffic = (setup: Setup, begin: number): number => {
  expect(setup.clock, "a frame in each direction", LIMIT_MICROS, STEP_MICROS, () =>
    setup.traffic(1).every((frames) => frames > 0),
  );
  return setup.clock.now() - begin;
};

/** The time in microseconds from the start of a reset under traffic until a frame has passed in each direction. */
const outage = (setup: Setup): number => {
  setup.traffic(IN_FLIGHT);
  for (let i = 0; i < IN_FLIGHT; i++) setup.cable.nic!.receive(INBOUND, 0, INBOUND.length);
  const begin = setup.clock.now();
  setup.nic.reset();
  return untilTraffic(setup, begin);
};

/**
 * The time in microseconds that a NIC with all wake-up events enabled takes to resume, and then, with the link up, to
 * pass a frame in each direction. The time that autonegotiation takes is not included.
 */
const resumption = (setup: Setup): number => {
  setup.nic.wake.armed = setup.nic.wake.supported;
  setup.nic.power.suspend();
  const begin = setup.clock.now();
  setup.nic.power.resume();
  const resumed = setup.clock.now() - begin;
  setup.linked();
  return untilTraffic(setup, setup.clock.now() - resumed);
};

const measured = (
  key: ChipKey,
  clock: VirtualClock | PacedClock,
  rounds: number,
  once: (setup: Setup) => number,
): readonly number[] => {
  using setup = new Setup(key, clock);
  once(setup);
  return Array.from({ length: rounds }, () => once(setup));
};

const millis = (micros: readonly number[]): string => spread(summarize(micros.map((each) => each / 1000)), 2);

const run = (options: BenchOptions): Promise<Report> => {
  const rounds = options.rounds ?? DEFAULT_ROUNDS;
  const data = GENERATIONS.map((chip) => {
    options.say(`reset: ${chip}`);
    return {
      chip,
      virtualMicros: measured(chip, new VirtualClock(), rounds, outage),
      realMicros: measured(chip, new PacedClock(), rounds, outage),
      resumeVirtualMicros: measured(chip, new VirtualClock(), rounds, resumption),
      resumeRealMicros: measured(chip, new PacedClock(), rounds, resumption),
    };
  });
  const rows = data.map(({ chip, virtualMicros, realMicros, resumeVirtualMicros, resumeRealMicros }) => ({
    chip,
    "reset: waits ms": millis(virtualMicros),
    "reset: real time ms": millis(realMicros),
    "resume: waits ms": millis(resumeVirtualMicros),
    "resume: real time ms": millis(resumeRealMicros),
  }));
  return Promise.resolve({ rows, data });
};

export const reset: Bench = {
  name: "reset",
  about: "time without frames when a NIC of each generation is reset under traffic, and the time of a resume",
  run,
};
