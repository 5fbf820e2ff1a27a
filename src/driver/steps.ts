/** Runs a start-up sequence of `src/chip/steps.ts` on the registers and the side buses. */
import type { Space, Step, Word } from "#chip/steps.ts";
import { rw16, rw32, rw8 } from "#kit/mmio.ts";
import type { Hardware } from "./hardware.ts";
import { runFirmware } from "./firmware.ts";
import { PROCEDURES } from "./procedures.ts";

interface Words {
  readonly read: (address: number) => number;
  readonly write: (address: number, value: number) => void;
}

/** RTL8168D to 8168F: the page that has banks, and the register that selects one of them. */
const EXTENSIONS = 7;
const EXTENSION_SELECT = 30;

/** Largest number of layer 3 bytes in an untagged frame (802.3). */
const DEFAULT_MTU = 1500;

/**
 * Runs the steps in order. @throws {SideBusTimeout}; {BadFirmware} if a program does not end; {Timeout} from a
 * procedure; {OutOfRange} for an address that the step's bus does not have
 */
export const run = (hw: Hardware, steps: readonly Step[], mtu = DEFAULT_MTU): void => {
  const spaces = spacesOf(hw);
  for (const step of steps) {
    if ("on" in step) apply(spaces[step.on], step.words);
    else if ("page" in step) apply(onPage(hw, step.page), step.words);
    else if ("extension" in step) {
      hw.phy.write(EXTENSION_SELECT, step.extension, EXTENSIONS);
      apply(onPage(hw, EXTENSIONS), step.words);
    } else if ("through" in step) {
      const { page, address, data } = step.through;
      const window = onPage(hw, page);
      for (const [at, ...change] of step.words) {
        window.write(address, at);
        apply(window, [[data, ...change] as Word]);
      }
    } else if ("wait" in step) hw.clock.delay(step.wait);
    else if ("firmware" in step) load(hw, spaces, step);
    else if ("withFirmware" in step) {
      if (hw.firmware !== undefined) run(hw, step.withFirmware, mtu);
    } else PROCEDURES[step.call](hw, mtu);
  }
};

/** Runs the chip's firmware, if there is a firmware file and the chip is ready for it. */
const load = (
  hw: Hardware,
  { mac }: Readonly<Record<Space, Words>>,
  { when }: Extract<Step, { firmware: unknown }>,
): void => {
  const { firmware, phy, clock } = hw;
  if (firmware === undefined) return;
  if (when !== undefined) {
    const { page, address, data } = when.through;
    phy.write(address, when.word[0], page);
    if (phy.read(data, page) !== when.word[1]) return;
  }
  runFirmware(firmware, { clock, phy, mac });
};

const apply = ({ read, write }: Words, words: readonly Word[]): void => {
  for (const [address, first, second] of words)
    write(address, second === undefined ? first : (read(address) & ~first) | second);
};

const onPage = ({ phy }: Hardware, page: number): Words => ({
  read: (register) => phy.read(register, page),
  write: (register, value) => phy.write(register, value, page),
});

const spacesOf = ({ io, side }: Hardware): Readonly<Record<Space, Words>> => {
  return {
    io8: { read: (at) => io.read8(rw8(at)), write: (at, value) => io.write8(rw8(at), value) },
    io16: { read: (at) => io.read16(rw16(at)), write: (at, value) => io.write16(rw16(at), value) },
    io32: { read: (at) => io.read32(rw32(at)), write: (at, value) => io.write32(rw32(at), value) },
    mac: { read: (at) => side.macRead(at), write: (at, value) => side.macWrite(at, value) },
    eri: { read: (at) => side.eriRead(at), write: (at, value) => side.eriWrite(at, value) },
    csi: { read: (at) => side.csiRead(at), write: (at, value) => side.csiWrite(at, value) },
    ephy: { read: (at) => side.ephyRead(at), write: (at, value) => side.ephyWrite(at, value) },
    phy: { read: (at) => side.phyRead(at), write: (at, value) => side.phyWrite(at, value) },
  };
};
