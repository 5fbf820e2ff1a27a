/** Combinations of chips and kernels. For each combination, a file's tests run on a rig of their own. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test, type TestContext } from "node:test";
import { type Chip, chipNamed } from "#chip/chips.ts";
import { noRig } from "../guest/available.ts";
import { KERNELS, type KernelName } from "../guest/parts.ts";
import { complaintsOf } from "../guest/kernel-log.ts";
import { Leftovers } from "../guest/leftovers.ts";
import { Rig, type RigOptions } from "../guest/rig.ts";

/** One chip of each generation. */
export const SOME_CHIPS = ["rtl8169sc-180", "rtl8168h", "rtl8125b"] as const;

/** Chips of the whole grid. Not every kernel supports all of them: see `KNOWN_SINCE`. */
export const ALL_CHIPS = [
  "rtl8169sc-180",
  "rtl8168b",
  "rtl8168d-280",
  "rtl8168evl",
  "rtl8168g",
  "rtl8168h",
  "rtl8106e",
  "rtl8125a",
  "rtl8125b",
  "rtl8126a-649",
  "rtl8125d-688",
  "rtl8127a",
] as const;

/** Kernels of the whole grid; an older kernel is used only if it is named. */
export const ALL_KERNELS: readonly KernelName[] = ["6.1", "6.12", "newest"];

/** For each chip that our oldest kernel does not support: the first of our kernels whose r8169 supports the chip. */
const KNOWN_SINCE: Readonly<Record<string, KernelName>> = {
  "rtl8126a-649": "6.12",
  "rtl8126a-64a": "newest",
  rtl8125bp: "newest",
  rtl8125cp: "newest",
  "rtl8125d-688": "newest",
  "rtl8125d-689": "newest",
  rtl8125k: "newest",
  rtl9151a: "newest",
  rtl9151as: "newest",
  rtl8127a: "newest",
};

/**
 * Whether the pair belongs to the whole grid. The kernels of Debian's releases are tested with every chip, the newest
 * kernel with one chip of each generation and with the chips that only this kernel supports.
 */
const ofGrid = (kernel: KernelName, chip: string): boolean =>
  kernel !== "newest" || KNOWN_SINCE[chip] === "newest" || SOME_CHIPS.some((some) => some === chip);

/** Environment variables by which `run.ts` selects the tests. */
export const CHIPS_VARIABLE = "FERRULE_GUEST_CHIPS";
export const KERNELS_VARIABLE = "FERRULE_GUEST_KERNELS";
export const GRID_VARIABLE = "FERRULE_GUEST_GRID";
export const DPDK_VARIABLE = "FERRULE_GUEST_DPDK";
export const ROUND_TRIPS_VARIABLE = "FERRULE_GUEST_ROUND_TRIPS";

export interface Cell {
  readonly chip: Chip;
  readonly kernel: KernelName;
}

const wanted = (variable: string, otherwise: readonly string[]): readonly string[] =>
  process.env[variable]?.split(",") ?? otherwise;

export const supports = (kernel: KernelName, chip: string): boolean =>
  KERNELS.indexOf(kernel) >= KERNELS.indexOf(KNOWN_SINCE[chip] ?? KERNELS[0]);

export const wantedKernels = (): readonly string[] => wanted(KERNELS_VARIABLE, ["6.12"]);

export const cells = (): readonly Cell[] =>
  wantedKernels().flatMap((name) =>
    wanted(CHIPS_VARIABLE, SOME_CHIPS).flatMap((key) => {
      const kernel = KERNELS.find((known) => known === name);
      const chip = chipNamed(key);
      if (kernel === undefined) throw new Error(`unknown kernel ${name}: ${KERNELS.join(", ")}`);
      if (chip === undefined) throw new Error(`unknown chip ${key}`);
      const left = process.env[GRID_VARIABLE] !== undefined && !ofGrid(kernel, key);
      return supports(kernel, key) && !left ? [{ chip, kernel }] : [];
    }),
  );

/**
 * Offences that Linux's driver commits by chance: when the link of an RTL8125 goes down the driver resets the chip
 * without waiting for a sender on another processor, which may then ring the doorbell of a stopped transmitter.
 */
const RACES = ["disabled"];

export interface Bench {
  readonly cell: Cell;
  /** Open while the tests run. Its driver is up unless `BenchOptions.bare` is set. */
  readonly rig: Rig;
}

export interface BenchOptions extends Partial<Omit<RigOptions, "chip" | "kernel">> {
  /** Whether the tests start without a loaded driver. */
  readonly bare?: boolean;
  /** Warnings that the kernel may log during the tests. */
  readonly warnings?: readonly RegExp[];
  /** Offences that the driver may commit during the tests. */
  readonly offences?: readonly string[];
  /** Whether the tests are declared for this chip and kernel; default: for all. */
  readonly only?: (cell: Cell) => boolean;
  /** The reason for which all tests are skipped. */
  readonly skip?: string | false;
  /** Called before the tests, once the driver is up, and again after a test has failed. */
  readonly prepare?: (rig: Rig) => Promise<void>;
  /** Names of processes in the guest that may outlive a test. */
  readonly keeps?: readonly string[];
}

/** The kernel's warnings since the last call. */
export const complaints = async (rig: Rig, allowed: readonly RegExp[] = []): Promise<readonly string[]> =>
  complaintsOf(await rig.guest.dmesg(4), allowed);

/** The kernel's warnings and, to find their cause, the changes of the link and the end of the kernel's log. */
const withContext = async (rig: Rig, found: readonly string[]): Promise<string> => {
  if (found.length === 0) return "";
  const log = await rig.guest.dmesg();
  const link = log.filter((line) => /link|phy|eth0/i.test(line));
  return ["warnings:", ...found, "link and NIC:", ...link.slice(-40), "end of the log:", ...log.slice(-20)].join("\n");
};

/** Milliseconds for all tests on one chip, even on a busy machine. */
const LIMIT_MILLIS = 3_600_000;

/**
 * Declares a suite for each chip on each kernel, within a suite named after the subject. The tests for one chip on one
 * kernel share a guest; after all of them, the guest must have logged no warning, and its driver must have committed no
 * offence. After each test, passed or failed, the NIC's cable, partner and wire are restored; a test that leaves a
 * process or an interface at either end fails.
 */
export const onEachChip = (subject: string, options: BenchOptions, declare: (bench: () => Bench) => void): void => {
  const {
    bare = false,
    warnings,
    offences = [],
    only = () => true,
    skip = false,
    prepare = async () => {},
    keeps,
    ...rest
  } = options;
  describe(subject, { skip: noRig() || skip }, () => {
    for (const cell of cells().filter(only))
      describe(`${cell.chip.key} on Linux ${cell.kernel}`, { timeout: LIMIT_MILLIS }, () => {
        let rig: Rig | undefined;
        let leftovers: Leftovers | undefined;
        const settle = async (): Promise<void> => {
          await prepare(rig!);
          leftovers = await Leftovers.since(rig!, keeps);
        };
        before(async () => {
          rig = await Rig.open({ ...rest, chip: cell.chip.key, kernel: cell.kernel });
          await rig.guest.clearDmesg();
          if (!bare) await rig.up();
          await settle();
        });
        afterEach(async (t) => {
          if (leftovers === undefined) return;
          const left = await leftovers.remove();
          const restored = await rig!.nic.restore();
          if ((t as TestContext).passed) {
            if (restored && !bare) await rig!.linked();
          } else if (!bare) {
            await rig!.renew();
            await settle();
          }
          assert.deepEqual(left, [], "the test has left something behind");
        });
        after(async () => {
          await rig?.[Symbol.asyncDispose]();
        });
        declare(() => ({ cell, rig: rig! }));
        test("the kernel logged no warning, and its driver caused no offence", async () => {
          const found = await complaints(rig!, warnings);
          assert.equal(found.length, 0, await withContext(rig!, found));
          const committed = Object.keys((await rig!.nic.state()).offences).filter(
            (name) => ![...RACES, ...offences].includes(name),
          );
          assert.deepEqual(committed, [], rig!.nic.offences.join("\n"));
        });
      });
  });
};
