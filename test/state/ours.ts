/** Runs our driver through the moments of a C driver's recording, on a virtual clock. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DirectDevice } from "#bus/direct.ts";
import type { Chip } from "#chip/chips.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { WAKE_FORMS } from "#driver/wake.ts";
import { VirtualClock } from "#kit/clock.ts";
import { bind } from "#kit/device.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { partOf } from "../guest/parts.ts";
import { MAC, type Moment, type Snapshot, snapshot } from "./snapshot.ts";

const DEFAULT_MTU = 1500;
const TURN_MICROS = 1000;
/** Enough turns for negotiation, which takes 2 ms here. */
const MAX_TURNS = 1000;

/** The group that Linux joins on every interface with IPv4: 224.0.0.1. */
const ALL_HOSTS = Uint8Array.of(0x01, 0, 0x5e, 0, 0, 1);

/** Reads a firmware file, the same one that the guests' kernels load. */
const firmware = (file: string): Uint8Array => readFileSync(join(partOf("tools"), "usr/lib/firmware", file));

/** Handles interrupts until the link is up. @throws {Error} if there is no link */
const settle = (nic: Nic, clock: VirtualClock): void => {
  for (let turns = 0; turns < MAX_TURNS && !nic.link.up; turns++) {
    clock.delay(TURN_MICROS);
    if (nic.line.take()) nic.interrupt();
    nic.unmask();
  }
  if (!nic.link.up) throw new Error(`${nic.chip.key} has no link`);
};

/**
 * The chip's state at each moment. @param mtu the MTU at the moment "mtu", which is reduced to what the driver allows
 */
export const ours = (chip: Chip, mtu: number): ReadonlyMap<Moment, Snapshot> => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip, mac: MAC, clock, timers: clock.timers, strict: "error" });
  model.setCarrier(true);
  // When the driver probes, the PHY has negotiated a link already, since power-on.
  clock.delay(10 * TURN_MICROS);
  const moments = new Map<Moment, Snapshot>();
  const takeSnapshot = (moment: Moment): void => void moments.set(moment, snapshot(model));
  const { registersBar: registers } = chip.profile.function;
  using device = new DirectDevice(model, { name: chip.key, registers, dmaBytes: 32 << 20, vectors: 4 });
  {
    using bound = bind(rtl8169, device, { clock, mtu: DEFAULT_MTU, weaklyOrdered: false, firmware });
    const nic = bound.driver;
    nic.filter = { promiscuous: false, groups: [ALL_HOSTS] };
    takeSnapshot("probed");
    nic.up();
    settle(nic, clock);
    takeSnapshot("up");
    nic.setMtu(Math.min(mtu, chip.largestMtu));
    settle(nic, clock);
    takeSnapshot("mtu");
    nic.setMtu(DEFAULT_MTU);
    settle(nic, clock);
    takeSnapshot("back");
    nic.wake.armed = WAKE_FORMS;
    nic.power.suspend();
    takeSnapshot("suspended");
    nic.power.resume();
    settle(nic, clock);
    takeSnapshot("resumed");
    nic.wake.armed = [];
    nic.down();
    takeSnapshot("closed");
  }
  takeSnapshot("removed");
  return moments;
};
