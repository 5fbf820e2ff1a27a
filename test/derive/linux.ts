/** Boots a guest with three NICs of each chip, and records the accesses of Linux's r8169 when each interface is set up. */
import type { Chip } from "#chip/chips.ts";
import { RealClock } from "#kit/clock.ts";
import { RegisterNames } from "#model/observation/register-names.ts";
import { Trace } from "#model/observation/trace.ts";
import { registersOf } from "#model/registers/register-set.ts";
import { ManyNics } from "../conformance-guest/many-nics.ts";
import { Guest } from "../guest/guest.ts";
import type { KernelName } from "../guest/parts.ts";
import { type Fill, FILLS, type Traces, UnknownRegisters } from "./unknown-registers.ts";

const LIMIT_MILLIS = 1_800_000;

export interface Traced {
  /** The guest kernel's release: "6.12.38+deb13-amd64". */
  readonly kernel: string;
  /** The accesses from setting the interface up until the link is up. */
  readonly chips: ReadonlyMap<Chip, Traces>;
}

interface Recorded {
  readonly chip: Chip;
  readonly fill: Fill;
  readonly lines: string[];
  registers: UnknownRegisters | undefined;
}

/**
 * Records what Linux's r8169 writes at start. The guest has no firmware files, because firmware's writes are not
 * start-up values. While the driver loads, reads return the model's values, so every run finds the same chip and PHY.
 * @throws {Error}
 */
export const traceLinux = async (chips: readonly Chip[], kernel: KernelName): Promise<Traced> => {
  const clock = new RealClock();
  const runs = chips.flatMap((chip) =>
    FILLS.map((fill): Recorded => ({ chip, fill, lines: [], registers: undefined })),
  );
  using nics = new ManyNics(
    runs.map(({ chip }) => chip),
    (nic, i) => {
      const run = runs[i]!;
      const { chip, fill, lines } = run;
      run.registers = new UnknownRegisters(nic, chip, fill);
      const trace = new Trace({ format: "json", clock, write: (line) => lines.push(line) });
      return trace.wrap(run.registers.target, new RegisterNames(registersOf(chip), chip, nic));
    },
  );
  await using guest = await Guest.boot({ kernel, devices: nics.devices });
  await guest.mustRun("rm -rf /lib/firmware/rtl_nic; modprobe r8169", LIMIT_MILLIS);
  for (const { lines, registers } of runs) {
    lines.length = 0;
    registers!.filled = true;
  }
  await guest.mustRun("cd /sys/class/net; for i in eth*; do ip link set $i up; done", LIMIT_MILLIS);
  const version = await guest.mustRun("uname -r");
  const linesOf = (chip: Chip, fill: Fill): readonly string[] =>
    runs.find((run) => run.chip === chip && run.fill === fill)!.lines.slice();
  return {
    kernel: version.trim(),
    chips: new Map(
      chips.map((chip) => [
        chip,
        { zeros: linesOf(chip, "zeros"), ones: linesOf(chip, "ones"), distinct: linesOf(chip, "distinct") },
      ]),
    ),
  };
};
