/** Interrupt moderation: for how long, and for how many frames, the chip delays an interrupt. */
import { MAX_BLOCK_TIME, MITIGATION_SCALES, Mitigation, mitigationUnitNanos } from "#chip/moderation.ts";
import { CPlus, CPlusCmd, IntrMitigate } from "#chip/registers.ts";
import { INT_MITI_RX, INT_MITI_TX } from "#chip/registers-8125.ts";
import { BadModeration } from "./errors.ts";
import type { Hardware } from "./hardware.ts";
import { ReceiveCount } from "./receive-core.ts";
import type { RingPair } from "./rings.ts";
import { TransmitCount } from "./transmit-ring.ts";

/** Limits of one direction. The chip raises an interrupt when either limit is reached. */
export interface Limits {
  /** Limit of the delay, in microseconds after the first frame; 0 for no delay. */
  readonly micros: number;
  /** Limit of the number of frames; 0 means no limit. */
  readonly frames: number;
}

/** The settings that `ethtool -C` calls rx-usecs, rx-frames, tx-usecs and tx-frames. */
export interface Coalescing {
  readonly receive: Limits;
  readonly transmit: Limits;
}

/** What a chip supports at one speed of the link. */
interface Ability {
  /** Units of time in microseconds, smallest first. Both directions use the same unit. */
  readonly units: readonly number[];
  /** Largest number of units, of time and of frames. */
  readonly max: number;
  /** Unit of the frame limit, in frames; 0 if the chip has no frame limit. */
  readonly framesUnit: number;
}

const NONE: Limits = { micros: 0, frames: 0 };
const OFF: Coalescing = { receive: NONE, transmit: NONE };

/** Delays of interrupts, each with the number of frames per second from which it applies. */
const ADAPTIVE = [
  { from: 0, micros: 0 },
  { from: 20_000, micros: 20 },
  { from: 80_000, micros: 60 },
] as const;
/**
 * The level drops only when the rate is below this fraction of the level's own rate, so that the level does not switch
 * back and forth at a steady rate near a limit.
 */
const HYSTERESIS = 0.7;
const SHORTEST_SAMPLE_MICROS = 10_000;
/** Rounding tolerance for times that are a whole number of units. */
const ROUNDING = 1e-9;

/**
 * Settings are kept across reset, MTU change and ring change. They are written again when the link speed changes,
 * because the unit of time depends on the speed.
 */
export class Moderation {
  readonly #hw: Hardware;
  readonly #rings: () => readonly RingPair[] | undefined;
  #wanted = OFF;
  #actual = OFF;
  /** Speed of the last link in Mbit/s. It is 0 before the first link, and 0 is treated as the fastest speed. */
  #speed = 0;
  /** True if the registers were written since the last start. With the registers' start values, moderation is off. */
  #written = false;
  #adaptive = false;
  #level = 0;
  #sample = { at: 0, frames: 0 };

  /** @param rings returns undefined while the chip is down; `restore` writes the settings at the next start */
  constructor(hw: Hardware, rings: () => readonly RingPair[] | undefined) {
    this.#hw = hw;
    this.#rings = rings;
  }

  /** The requested setting. */
  get wanted(): Coalescing {
    return this.#wanted;
  }

  /**
   * The effective setting: times and frames are rounded up to the chip's units, and limited to the longest time that is
   * possible at the link's speed.
   */
  get actual(): Coalescing {
    return this.#actual;
  }

  /** True if the limits follow the measured frame rate. */
  get adaptive(): boolean {
    return this.#adaptive;
  }

  /**
   * Sets both directions, and turns `adaptive` off. Returns the effective setting. @throws {BadModeration} before
   * anything is written; the old setting is kept
   */
  set(wanted: Coalescing): Coalescing {
    check(wanted, this.#ability());
    this.#adaptive = false;
    this.#wanted = wanted;
    this.#put(wanted);
    return this.#actual;
  }

  /** @throws {BadModeration} for a chip that cannot delay interrupts */
  setAdaptive(on: boolean): void {
    const ability = this.#ability();
    if (on && ability.max === 0) throw new BadModeration("adaptive moderation", 0, 0);
    this.#adaptive = on;
    this.#level = 0;
    this.#sample = { at: this.#hw.clock.now(), frames: framesOf(this.#rings()) };
    this.#put(on ? OFF : this.#wanted);
  }

  /** Writes the settings again. Call it after each start of the chip, because a start turns moderation off. */
  restore(): void {
    this.#written = false;
    this.#sample = { at: this.#hw.clock.now(), frames: 0 };
    this.#put(this.#current());
  }

  /** Call it when the link has come up, with the link's speed in Mbit/s. */
  linkUp(speed: number): void {
    this.#speed = speed;
    this.#put(this.#current());
  }

  /** Measures the frame rate for `adaptive`. Call it after each poll. */
  sample(): void {
    if (!this.#adaptive) return;
    const now = this.#hw.clock.now();
    const micros = now - this.#sample.at;
    if (micros < SHORTEST_SAMPLE_MICROS) return;
    const frames = framesOf(this.#rings());
    const level = levelFor((1e6 * (frames - this.#sample.frames)) / micros, this.#level);
    this.#sample = { at: now, frames };
    if (level === this.#level) return;
    this.#level = level;
    this.#put(this.#current());
  }

  #current(): Coalescing {
    if (!this.#adaptive) return this.#wanted;
    const limits = { micros: ADAPTIVE[this.#level]!.micros, frames: 0 };
    return { receive: limits, transmit: limits };
  }

  #ability(): Ability {
    const { bus, profile } = this.#hw.chip;
    if (profile.mac.moderation === "none") return { units: [1], max: 0, framesUnit: 0 };
    if (profile.mac.moderation === "blocks")
      return { units: [profile.queues.moderationMicros], max: MAX_BLOCK_TIME, framesUnit: 0 };
    const first = mitigationUnitNanos(bus, this.#speed) / 1000;
    return {
      units: MITIGATION_SCALES.map((scale) => first * scale),
      max: Mitigation.max,
      framesUnit: Mitigation.framesUnit,
    };
  }

  #put({ receive, transmit }: Coalescing): void {
    const ability = this.#ability();
    const { units, max } = ability;
    const longest = Math.max(receive.micros, transmit.micros);
    const scale = units.findIndex((unit) => longest <= max * unit);
    const index = scale < 0 ? units.length - 1 : scale;
    const r = inUnits(receive, units[index]!, ability);
    const t = inUnits(transmit, units[index]!, ability);
    this.#actual = { receive: inMicros(r, units[index]!, ability), transmit: inMicros(t, units[index]!, ability) };
    const off = r.time + r.frames + t.time + t.frames === 0;
    if (this.#rings() === undefined || (off && !this.#written)) return;
    this.#written = true;
    if (this.#hw.chip.profile.mac.moderation === "blocks") this.#putBlocks(r.time, t.time);
    else this.#putMitigation(index, r, t);
  }

  #putMitigation(scale: number, r: Units, t: Units): void {
    const { io, chip } = this.#hw;
    const counter = chip.profile.mac.frameCounterSwitch && r.frames + t.frames === 0 ? CPlus.packetCounterOff : 0;
    io.update16(CPlusCmd, CPlus.coalescingUnit | CPlus.packetCounterOff, scale | counter);
    const field = ({ time, frames }: Units, at: { time: number; frames: number }): number =>
      (time << at.time) | (frames << at.frames);
    io.write16(IntrMitigate, field(r, Mitigation.receive) | field(t, Mitigation.transmit));
  }

  #putBlocks(receive: number, transmit: number): void {
    const { io, chip } = this.#hw;
    for (const register of INT_MITI_RX.slice(0, chip.profile.queues.receive)) io.write8(register, receive);
    for (const register of INT_MITI_TX.slice(0, chip.profile.queues.transmit)) io.write8(register, transmit);
  }
}

/** Number of frames received and sent since the start. */
const framesOf = (queues: readonly RingPair[] = []): number =>
  queues.reduce(
    (frames, { receive, transmit }) =>
      frames + receive.counters()[ReceiveCount.frames]! + (transmit?.counters()[TransmitCount.frames] ?? 0),
    0,
  );

/** A direction's limits in the chip's units. */
interface Units {
  readonly time: number;
  readonly frames: number;
}

const inUnits = ({ micros, frames }: Limits, unit: number, { max, framesUnit }: Ability): Units => ({
  time: Math.min(max, Math.max(0, Math.ceil(micros / unit - ROUNDING))),
  // In ethtool, a limit of one frame without a time means no moderation.
  frames: micros === 0 || framesUnit === 0 ? 0 : Math.ceil(frames / framesUnit),
});

const inMicros = ({ time, frames }: Units, unit: number, { framesUnit }: Ability): Limits => ({
  micros: time * unit,
  frames: frames * framesUnit,
});

const check = ({ receive, transmit }: Coalescing, { units, max, framesUnit }: Ability): void => {
  const longest = max * units.at(-1)!;
  const maxFrames = max * framesUnit;
  for (const [name, { micros, frames }] of [
    ["receive", receive],
    ["transmit", transmit],
  ] as const) {
    const off = micros === 0 && frames <= 1;
    const isTime = micros >= 0 && micros <= longest;
    const areFrames =
      Number.isInteger(frames) && frames >= 0 && (off || (frames <= maxFrames && micros > 0) || frames === 0);
    if (!isTime || !areFrames)
      throw new BadModeration(`${micros} µs and ${frames} frames (${name})`, longest, maxFrames);
  }
};

/** The level for a rate in frames per second. */
const levelFor = (rate: number, level: number): number => {
  const up = ADAPTIVE.findLastIndex(({ from }) => rate >= from);
  const holds = rate >= HYSTERESIS * ADAPTIVE[level]!.from;
  return up < level && holds ? level : up;
};
