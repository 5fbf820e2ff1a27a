/** Collects information for remote analysis of a card, without anything that identifies its owner. */
import { cpus, release } from "node:os";
import type { Chip } from "#chip/chips.ts";
import { CAPABILITIES, type ConfigRegister, HEADER } from "#chip/config-registers.ts";
import { ANAR, ANLPAR, BMCR, BMSR, ESTATUS, GBCR, PHYID1, PHYID2 } from "#chip/phy.ts";
import { IDR0, IDR4 } from "#chip/registers.ts";
import { identify } from "#driver/identify.ts";
import { rtl8169 } from "#driver/probe.ts";
import type { Nic } from "#driver/rtl8169.ts";
import { type Clock, until } from "#kit/clock.ts";
import { bind, type PciDevice } from "#kit/device.ts";
import type { Mmio } from "#kit/mmio.ts";
import { RegisterNames, type NamedRegister, registerText } from "#model/observation/register-names.ts";
import { type PlainError, plainError } from "../plain-error.ts";
import { firmwareFiles } from "../firmware-files.ts";
import type { OpenDevice } from "./open-device.ts";
import { type Access, readAt, Recorder } from "./recorder.ts";
import { REDACTED, Redaction, REDACTIONS } from "./redaction.ts";
import { namedRegisters, readRegisters } from "./register-table.ts";
import { type Redactor, redacted } from "./sweep.ts";

/** A value as hexadecimal text, or the reason that there is none. */
type Shown = string;

export interface BringUp {
  /** Microseconds from the start until the chip was set up. */
  readonly micros: number;
  /** Microseconds from the end of the set-up until the carrier was up; undefined if it did not come up. */
  readonly carrierMicros: number | undefined;
  readonly speed: number;
  readonly fullDuplex: boolean;
  readonly error: PlainError | undefined;
}

export interface DeviceReport {
  readonly device: string;
  readonly pci: Readonly<Record<string, string>>;
  readonly xid: string;
  readonly chip: string | undefined;
  readonly bringUp: BringUp;
  readonly phy: Readonly<Record<string, Shown>>;
  readonly counters: Readonly<Record<string, number>>;
  readonly registers: readonly string[];
  readonly config: Readonly<Record<string, Shown>>;
  readonly trace: readonly string[];
  readonly redacted: readonly string[];
}

/** Time limit for the carrier in microseconds. Negotiation with a slow link partner takes 4 s. */
const CARRIER_LIMIT = 6_000_000;
const CARRIER_STEP = 10_000;

const hex = (value: number, bytes: number): string => `0x${(value >>> 0).toString(16).padStart(2 * bytes, "0")}`;

/**
 * Clause 22 registers that a read does not change, and BMSR, whose latch the driver reads anyway. ANER and GBSR are
 * omitted, because a read clears ANER's page-received bit and GBSR's error count.
 */
const PHY = { BMCR, BMSR, PHYID1, PHYID2, ANAR, ANLPAR };
const GIGABIT_PHY = { ...PHY, GBCR, ESTATUS };

const phyRegisters = (nic: Nic): Record<string, Shown> =>
  Object.fromEntries(
    Object.entries(nic.chip.speed >= 1000 ? GIGABIT_PHY : PHY).map(([name, number]) => [
      name,
      attempt(() => hex(nic.phy.read(number), 2)),
    ]),
  );

/** The result of `read`, or its error as text, so that a report contains as much as possible. */
const attempt = (read: () => Shown): Shown => {
  try {
    return read();
  } catch (error) {
    return redacted(plainError(error).message);
  }
};

const stationAddress = (io: Mmio): Uint8Array => {
  const [low, high] = [io.read32(IDR0), io.read32(IDR4)];
  return Uint8Array.of(low, low >>> 8, low >>> 16, low >>> 24, high, high >>> 8);
};

const registerLines = (io: Mmio, chip: Chip, names: RegisterNames, redaction: Redaction): readonly string[] =>
  readRegisters(chip).map(({ offset, width, name }) => {
    const bytes = (width / 8) as 1 | 2 | 4;
    const place = `${hex(offset, 2)} ${name}`;
    return attempt(() => {
      const value = readAt(io, offset, bytes);
      if (redaction.isPrivate([name], value, bytes)) return `${place} = ${REDACTED}`;
      const [, fields] = names.covered(0, offset, bytes, value).map(registerText).join(", ").split(": ");
      return `${place} = ${hex(value, bytes)}${fields === undefined ? "" : `  ${fields}`}`;
    });
  });

const accessLine = (access: Access, registers: RegisterNames, redaction: Redaction): string => {
  const { write, offset, width, value, times } = access;
  const covered = registers.covered(0, offset, width, value);
  const names = covered.map(({ entry }) => entry.name);
  const what = `${write ? "write" : "read"}${8 * width} ${hex(offset, 2)}`;
  const again = times === 1 ? "" : `  (${times} times)`;
  if (redaction.isPrivate(names, value, width)) return `${what} = ${REDACTED}  ${names.join(", ")}${again}`;
  return `${what} = ${hex(value, width)}  ${covered.map(registerText).join(", ") || "?"}${again}`;
};

/** Registers of configuration space that hold addresses or private data. */
const CONFIG_SECRET = /Bar\d|Address|CardBusCis|ExpansionRom|^Vpd\.Data|^Msi\.Data/;
const FIRST_CAPABILITY = 0x40;
const MAX_CAPABILITIES = 48;

const configSpace = (config: Mmio, redaction: Redaction): Record<string, Shown> => {
  const shown: Record<string, Shown> = {};
  const show = (prefix: string, at: number, registers: readonly ConfigRegister[]): void => {
    for (const [offset, bytes, name] of registers) {
      if (CONFIG_SECRET.test(prefix + name)) continue;
      shown[prefix + name] = attempt(() => {
        const value = readAt(config, at + offset, bytes);
        return redaction.isPrivate([], value, bytes) ? REDACTED : hex(value, bytes);
      });
    }
  };
  show("", 0, HEADER);
  let at = readAt(config, 0x34, 1) & ~3;
  for (let n = 0; at >= FIRST_CAPABILITY && n < MAX_CAPABILITIES; n++) {
    const capability = CAPABILITIES[readAt(config, at, 1)];
    if (capability !== undefined) show(`${capability.name}.`, at, capability.registers);
    at = readAt(config, at + 1, 1) & ~3;
  }
  return shown;
};

interface Tried extends Pick<DeviceReport, "bringUp" | "phy" | "counters" | "registers"> {}

/** Brings the card up, waits for the carrier, collects everything, and takes the card down again. */
const bringUpOnce = (device: PciDevice, clock: Clock, readRegisters: () => readonly string[]): Tried => {
  const start = clock.now();
  let error: PlainError | undefined;
  let [micros, carrierMicros]: [number, number | undefined] = [0, undefined];
  let [phy, counters]: [Record<string, Shown>, Record<string, number>] = [{}, {}];
  let link = { speed: 0, fullDuplex: false };
  let registers: readonly string[] | undefined;
  try {
    using bound = bind(rtl8169, device, {
      clock,
      mtu: 1500,
      weaklyOrdered: process.arch !== "x64",
      firmware: firmwareFiles(undefined),
    });
    const nic = bound.driver;
    nic.up();
    micros = clock.now() - start;
    const up = until(clock, CARRIER_LIMIT, CARRIER_STEP, () => nic.refreshLink().up);
    if (up) carrierMicros = clock.now() - start - micros;
    link = nic.link;
    phy = phyRegisters(nic);
    registers = readRegisters();
    counters = nic.tally();
  } catch (thrown) {
    error = plainError(thrown);
  }
  // A chip that this driver cannot bring up can still be inspected.
  registers ??= readRegisters();
  const { speed, fullDuplex } = link;
  const after = carrierMicros === undefined ? undefined : Math.round(carrierMicros);
  return {
    bringUp: { micros: Math.round(micros), carrierMicros: after, speed, fullDuplex, error },
    phy,
    counters,
    registers,
  };
};

/** Inspects an open device, and tries to bring it up. */
export const reportOn = ({ device, clock }: OpenDevice): DeviceReport => {
  const { registers: io, config, id } = device;
  const { xid, chip } = identify(io, id.device, clock);
  const redaction = new Redaction(stationAddress(io));
  const known: readonly NamedRegister[] = chip === undefined ? [] : namedRegisters(chip);
  const names = new RegisterNames(known, chip, {
    read: (region, offset, width) => readAt(region === "config" ? config : io, offset, width),
  });
  const recorder = new Recorder();
  // The registers are read from the device directly, because the recorder is to record only the driver's accesses.
  const readRegisters = (): readonly string[] => (chip === undefined ? [] : registerLines(io, chip, names, redaction));
  const tried = bringUpOnce(recorder.around(device), clock, readRegisters);
  const trace = recorder.accesses.map((access) => accessLine(access, names, redaction));
  return {
    device: device.name,
    pci: Object.fromEntries(Object.entries(id).map(([name, value]) => [name, hex(value as number, 2)])),
    xid: hex(xid, 2),
    chip: chip?.name,
    ...tried,
    config: configSpace(config, redaction),
    trace: recorder.lost === 0 ? trace : [...trace, `… and ${recorder.lost} more`],
    redacted: REDACTIONS,
  };
};

/**
 * A report that can be published. From the device's name and the error message, everything that identifies a person or
 * a machine is removed. From register values and the trace, which this program formats, only what looks like an address
 * is removed.
 */
export const sweptReport = (report: DeviceReport, redactor: Redactor): DeviceReport => ({
  ...report,
  device: redactor.text(report.device),
  bringUp: redactor.all(report.bringUp),
  phy: sweptValues(report.phy),
  registers: report.registers.map(redacted),
  config: sweptValues(report.config),
  trace: report.trace.map(redacted),
});

const sweptValues = (shown: Readonly<Record<string, Shown>>): Record<string, Shown> =>
  Object.fromEntries(Object.entries(shown).map(([name, value]) => [name, redacted(value)]));

/** Facts about the system in which the card is. */
export const systemFacts = (): Readonly<Record<string, string | number>> => ({
  kernel: release(),
  architecture: process.arch,
  processor: cpus()[0]?.model ?? "unknown",
  processors: cpus().length,
  node: process.versions.node,
});
