/** Records what our driver does to a chip with the values of `src/chip/starts.ts`, in the same way as for Linux. */
import { DirectDevice } from "#bus/direct.ts";
import type { Chip } from "#chip/chips.ts";
import { Cfg9346, Lock } from "#chip/registers.ts";
import type { Start } from "#chip/steps.ts";
import { hardwareOf } from "#driver/hardware.ts";
import { run } from "#driver/steps.ts";
import { VirtualClock } from "#kit/clock.ts";
import { RegisterNames } from "#model/observation/register-names.ts";
import { Trace } from "#model/observation/trace.ts";
import { registersOf } from "#model/registers/register-set.ts";
import { Rtl8169 } from "#model/rtl8169.ts";
import { type Fill, FILLS, type Traces, UnknownRegisters } from "./unknown-registers.ts";

const trace = (chip: Chip, start: Start, fill: Fill): readonly string[] => {
  const clock = new VirtualClock();
  const model = new Rtl8169({ chip, mac: "02:00:00:00:00:01", clock, timers: clock.timers, strict: "off" });
  const registers = new UnknownRegisters(model, chip, fill);
  const lines: string[] = [];
  const names = new RegisterNames(registersOf(chip), chip, model);
  const traced = new Trace({ format: "json", clock, write: (line) => lines.push(line) }).wrap(registers.target, names);
  const { registersBar } = chip.profile.function;
  using device = new DirectDevice(traced, { name: chip.key, registers: registersBar, dmaBytes: 1 << 20, vectors: 1 });
  registers.filled = true;
  const io = device.registers;
  const hw = hardwareOf({ io, clock, chip }, start);
  run(hw, start.phy);
  io.write8(Cfg9346, Lock.unlock);
  run(hw, start.mac);
  io.write8(Cfg9346, Lock.lock);
  return lines;
};

export const traceOurs = (chip: Chip, start: Start): Traces =>
  Object.fromEntries(FILLS.map((fill) => [fill, trace(chip, start, fill)])) as Record<Fill, readonly string[]>;
