/**
 * Runs the driver on another model of a chip of this family: environment variables name the model, and the qtest and
 * vfio-user tests use it instead of their own.
 */
import { existsSync } from "node:fs";
import { LEGACY_CHIPS, CHIPS, type Chip } from "#chip/chips.ts";
import { FerruleError } from "#kit/errors.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export class BadVariable extends FerruleError {
  readonly code = "BAD_VARIABLE";
  readonly hint: string;
  constructor(name: string, value: string, why: string, hint: string) {
    super(`${name}=${value}: ${why}`);
    this.hint = hint;
  }
}

const BARS = 6;
const KNOWN: readonly Chip[] = [...CHIPS, ...LEGACY_CHIPS];

const chipIn = (environment: Environment, name: string, usual: string): Chip => {
  const key = environment[name] ?? usual;
  const chip = KNOWN.find((row) => row.key === key);
  if (chip !== undefined) return chip;
  throw new BadVariable(name, key, "no such chip", "Use a key that `ferrule model chips` lists, or rtl8139cp.");
};

/** Rejects variables that have no effect without another one. @throws {BadVariable} */
const needs = (environment: Environment, names: readonly string[], other: string): void => {
  for (const name of names)
    if (environment[name] !== undefined && environment[other] === undefined)
      throw new BadVariable(name, environment[name], `it has no effect without ${other}`, `Set ${other} as well.`);
};

/** A device in a QEMU, which the qtest rig drives. */
export interface QtestModel {
  /** QEMU, as a path or as a name in PATH. */
  readonly program: string;
  /** As in `-device`: a name, followed by properties. */
  readonly device: string;
  /** Number of the BAR with the registers; if undefined, the first memory BAR. */
  readonly bar: number | undefined;
  readonly chip: Chip;
  /** Whether the environment names the device. */
  readonly foreign: boolean;
}

const DEFAULT_DEVICE = "rtl8139";

/** The device named by the environment, or QEMU's RTL8139C+. @throws {BadVariable} */
export const qtestModel = (environment: Environment = process.env): QtestModel => {
  needs(environment, ["FERRULE_QTEST_CHIP", "FERRULE_QTEST_BAR"], "FERRULE_QTEST_DEVICE");
  const device = environment["FERRULE_QTEST_DEVICE"];
  const bar = environment["FERRULE_QTEST_BAR"];
  if (device !== undefined && !/^[\w.-]+(,[^,=]+=[^,]*)*$/.test(device))
    throw new BadVariable(
      "FERRULE_QTEST_DEVICE",
      device,
      "not the name of a device",
      "Use NAME or NAME,PROPERTY=VALUE.",
    );
  if (bar !== undefined && !/^[0-5]$/.test(bar))
    throw new BadVariable(
      "FERRULE_QTEST_BAR",
      bar,
      "not the number of a base address register",
      `Use 0 to ${BARS - 1}.`,
    );
  return {
    program: environment["FERRULE_QTEST_QEMU"] ?? "qemu-system-x86_64",
    device: device ?? DEFAULT_DEVICE,
    bar: bar === undefined ? undefined : Number(bar),
    chip: chipIn(environment, "FERRULE_QTEST_CHIP", "rtl8139cp"),
    foreign: device !== undefined,
  };
};

/** QEMU's own RTL8139C+, whatever the environment says. */
export const OWN_MODEL = qtestModel({});

/** A vfio-user server that is already running. */
export interface VfioUserModel {
  readonly socket: string;
  /** A stream socket with QEMU's framing, which is the far end of the NIC's cable. */
  readonly cable: string;
  readonly chip: Chip;
}

/** The server named by the environment; undefined if it names none. @throws {BadVariable} */
export const vfioUserModel = (environment: Environment = process.env): VfioUserModel | undefined => {
  const names = ["FERRULE_VFIO_USER_CABLE", "FERRULE_VFIO_USER_CHIP"];
  needs(environment, names, "FERRULE_VFIO_USER_SOCKET");
  const socket = environment["FERRULE_VFIO_USER_SOCKET"];
  if (socket === undefined) return undefined;
  const cable = environment["FERRULE_VFIO_USER_CABLE"];
  if (cable === undefined)
    throw new BadVariable(
      "FERRULE_VFIO_USER_SOCKET",
      socket,
      "the other end of the NIC's cable is not known",
      "Set FERRULE_VFIO_USER_CABLE to the stream socket at which the server listens for the NIC's cable.",
    );
  for (const [name, path] of [
    ["FERRULE_VFIO_USER_SOCKET", socket],
    ["FERRULE_VFIO_USER_CABLE", cable],
  ] as const)
    if (!existsSync(path)) throw new BadVariable(name, path, "no such socket", "Start the server first.");
  return { socket, cable, chip: chipIn(environment, "FERRULE_VFIO_USER_CHIP", "rtl8168h") };
};
