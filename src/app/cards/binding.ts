/**
 * Binds a card to vfio-pci, and returns it to its former driver. Each step checks the present state and does only what
 * remains. Both operations can therefore be repeated after a crash between any two steps, and `restoreDriver` repairs
 * every state in which `bindToVfio` may have left a card.
 */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { type Card, listCards, readCard } from "./card.ts";
import {
  CarriesTraffic,
  CardInUse,
  UnknownCard,
  BindFailed,
  NotOfFamily,
  BindNotPermitted,
  NotUsable,
  StepRefused,
  StillBusy,
} from "./errors.ts";
import { isOfFamily, isOlderRelative } from "./family.ts";
import { exists, type Files, linkOf, textOf } from "./files.ts";
import { holdersOf } from "./holders.ts";
import { blockingFunctions, judgeCard, type Missing } from "./judge.ts";
import type { Kernel } from "./kernel.ts";
import { type Machine, VFIO_PCI } from "./machine.ts";
import { FERRULE } from "./program.ts";
import type { Origin, Records } from "./record.ts";

/** The files, kernel and records with which binding and unbinding work. */
export interface BindContext {
  readonly files: Files;
  readonly kernel: Kernel;
  readonly records: Records;
  readonly machine: Machine;
  /** Describes the traffic over a card's interfaces. */
  readonly trafficOver: (card: Card) => readonly string[];
}

export interface BindResult {
  readonly address: string;
  /** The driver before the operation; undefined if there was none. */
  readonly from: string | undefined;
  /** The driver after the operation; undefined if there is none. */
  readonly to: string | undefined;
  /** Whether anything was changed. */
  readonly changed: boolean;
}

/** @throws {UnknownCard} {NotOfFamily} */
export const cardAt = (files: Files, address: string): Card => {
  const card = readCard(files, address);
  if (card === undefined)
    throw new UnknownCard(
      address,
      listCards(files).map((each) => each.address),
    );
  if (!isOfFamily(card)) throw new NotOfFamily(card, isOlderRelative(card));
  return card;
};

const driverOf = (files: Files, address: string): string | undefined => linkOf(join(files.device(address), "driver"));

/** Sets the only driver that may bind to the card; undefined permits any driver. */
const override = (
  { files, kernel }: BindContext,
  { address, override: now }: Card,
  driver: string | undefined,
): void => {
  if (now !== driver) kernel.set(join(files.device(address), "driver_override"), `${driver ?? ""}\n`);
};

/**
 * Checks that this process may write the card's driver_override, before anything is changed.
 * @throws {BindNotPermitted}
 */
const checkPermission = ({ files }: BindContext, address: string): void => {
  const path = join(files.device(address), "driver_override");
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new BindNotPermitted(path, (error as NodeJS.ErrnoException).code ?? "EACCES");
  }
};

/**
 * Unbinds the card from its driver.
 * @throws {CardInUse} if the driver does not finish in time and a process has the card open; {StillBusy} if it does not
 * finish for another reason; {BindNotPermitted} {StepRefused}
 */
const release = async ({ files, kernel }: BindContext, address: string): Promise<void> => {
  const driver = driverOf(files, address);
  if (driver === undefined) return;
  const done = await kernel.ask(join(files.driver(driver), "unbind"), address);
  if (done) return;
  const holders = holdersOf(files, address);
  throw holders.length > 0 ? new CardInUse(address, holders) : new StillBusy(address, driver);
};

/**
 * Makes the loaded drivers probe the card, unless it has a driver.
 * @throws {StillBusy} {BindNotPermitted} {StepRefused}
 */
const probe = async ({ files, kernel }: BindContext, address: string): Promise<void> => {
  if (driverOf(files, address) !== undefined) return;
  const done = await kernel.ask(join(files.sys, "bus/pci/drivers_probe"), address);
  if (!done) throw new StillBusy(address, "its new driver");
};

const refuse = (card: Card, missing: Missing | undefined): void => {
  if (missing !== undefined) throw new NotUsable(card.address, missing);
};

export interface BindOptions {
  /** Bind the card even if that cuts off traffic, or if its group is not viable. */
  readonly force: boolean;
  /** Bind the card even without an IOMMU. */
  readonly unsafeNoIommu: boolean;
}

/** Checks, before anything is changed, that the card can be bound. @throws {NotUsable} {CarriesTraffic} */
const checkBind = (context: BindContext, card: Card, { force, unsafeNoIommu }: BindOptions): void => {
  const lacks = judgeCard({ card, machine: context.machine, groupFile: "open", holders: [] });
  const first = (what: Missing["what"]): Missing | undefined => lacks.find((missing) => missing.what === what);
  if (!(unsafeNoIommu && context.machine.unsafeNoIommu)) refuse(card, first("IOMMU"));
  if (force) return;
  // If all other functions of the group are cards of the family, all of them can be bound, one by one.
  if (!blockingFunctions(card).every(isOfFamily)) refuse(card, first("group"));
  const traffic = context.trafficOver(card);
  if (traffic.length > 0) throw new CarriesTraffic(card.address, traffic);
};

/**
 * Records the former driver, or that the card had none. An earlier attempt may have been interrupted: the card is then
 * bound to vfio-pci, or has no driver but a record or the override vfio-pci. Nothing is written in this case, so that
 * the earlier record is kept. Without any record, unbinding lets all drivers probe the card.
 */
const saveRecord = ({ files, records }: BindContext, { address, driver, override }: Card): void => {
  if (driver === VFIO_PCI) return;
  if (driver === undefined && (override === VFIO_PCI || records.read(address) !== undefined)) return;
  const module = driver === undefined ? undefined : linkOf(join(files.driver(driver), "module"));
  records.write(address, { driver, module, override: override === VFIO_PCI ? undefined : override });
};

/** @throws {NotUsable} with modprobe's error */
const loadVfioPci = async ({ files, kernel }: BindContext, address: string): Promise<void> => {
  if (exists(files.driver(VFIO_PCI))) return;
  const problem = await kernel.load(VFIO_PCI);
  if (problem === undefined || exists(files.driver(VFIO_PCI))) return;
  const saw = `vfio-pci cannot be loaded: ${problem}`;
  throw new NotUsable(address, { what: "module", saw, fix: ["sudo modprobe vfio-pci"] });
};

/**
 * Binds a card to vfio-pci.
 * @throws {UnknownCard} {NotOfFamily} {NotUsable} {CarriesTraffic} {BindNotPermitted} {BindFailed} {CardInUse}
 * {StillBusy} {StepRefused}
 */
export const bindToVfio = async (context: BindContext, address: string, options: BindOptions): Promise<BindResult> => {
  const { files } = context;
  const card = cardAt(files, address);
  const { driver: from } = card;
  checkBind(context, card, options);
  if (from === VFIO_PCI && card.override === VFIO_PCI) return { address, from, to: from, changed: false };
  checkPermission(context, address);
  await loadVfioPci(context, address);
  saveRecord(context, card);
  override(context, card, VFIO_PCI);
  if (from !== VFIO_PCI) await release(context, address);
  await probe(context, address);
  const to = driverOf(files, address);
  if (to === VFIO_PCI) return { address, from, to, changed: true };
  await restoreDriver(context, address, { force: false });
  throw new BindFailed(
    address,
    VFIO_PCI,
    to,
    "The card has its former driver again. `sudo dmesg | tail` shows why vfio-pci refused it.",
  );
};

/** Binds a card to its former driver, unless it has a driver now. @throws {StillBusy} {BindNotPermitted} */
const bindToOrigin = async (context: BindContext, address: string, { driver, module }: Origin): Promise<void> => {
  const { files, kernel } = context;
  if (driver === undefined || driverOf(files, address) !== undefined) return;
  // A driver that has just been loaded probes its cards by itself.
  if (!exists(files.driver(driver))) await kernel.load(module ?? driver);
  if (driverOf(files, address) !== undefined || !exists(files.driver(driver))) return;
  try {
    // The driver is asked by name: in a probe by all drivers, vfio-pci could get a card whose id is in its table.
    const done = await kernel.ask(join(files.driver(driver), "bind"), address);
    if (!done) throw new StillBusy(address, driver);
  } catch (error) {
    // A driver may refuse a card although it lists the card's id.
    if (!(error instanceof StepRefused)) throw error;
  }
};

/** Lets any driver bind to the card, which has none now. */
const bindToAny = async (context: BindContext, address: string): Promise<void> => {
  const kind = textOf(join(context.files.device(address), "modalias"));
  if (kind !== undefined) await context.kernel.load(kind);
  await probe(context, address);
};

/**
 * Returns a card to its former driver. If the former driver is unknown, returns it to any driver that accepts the card.
 * @throws {UnknownCard} {NotOfFamily} {CardInUse} {BindNotPermitted} {BindFailed} {StillBusy} {StepRefused}
 */
export const restoreDriver = async (
  context: BindContext,
  address: string,
  { force }: { force: boolean },
): Promise<BindResult> => {
  const { files, records } = context;
  const origin = records.read(address);
  const card = cardWithRecord(context, address);
  const { driver: from } = card;
  const taken = from === undefined || from === VFIO_PCI || card.override === VFIO_PCI;
  if (!taken && origin === undefined) return { address, from, to: from, changed: false };
  const holders = from === VFIO_PCI ? holdersOf(files, address) : [];
  if (holders.length > 0 && !force) throw new CardInUse(address, holders);
  checkPermission(context, address);
  override(context, card, origin === undefined ? foreignOverride(card) : origin.override);
  if (from === VFIO_PCI) await release(context, address);
  if (origin !== undefined) await bindToOrigin(context, address, origin);
  const hadNoDriver = origin !== undefined && origin.driver === undefined;
  if (!hadNoDriver && driverOf(files, address) === undefined) await bindToAny(context, address);
  const to = driverOf(files, address);
  if (!hadNoDriver && (to === undefined || to === VFIO_PCI))
    throw new BindFailed(address, origin?.driver ?? "a kernel driver", to, retryHint(address, origin?.driver));
  records.remove(address);
  return { address, from, to, changed: true };
};

const retryHint = (address: string, driver: string | undefined): string =>
  `Try \`sudo modprobe ${driver ?? "r8169"}\` and \`sudo ${FERRULE} unbind ${address}\` again; \`sudo dmesg | tail\` shows the reason.`;

/** The card's driver_override, unless it is vfio-pci. Any other override was not set by Ferrule, and is kept. */
const foreignOverride = ({ override: now }: Card): string | undefined => (now === VFIO_PCI ? undefined : now);

/** Finds a card that is to be returned. If the card was removed from the machine, its record is deleted. */
const cardWithRecord = ({ files, records }: BindContext, address: string): Card => {
  try {
    return cardAt(files, address);
  } catch (error) {
    if (error instanceof UnknownCard) records.remove(address);
    throw error;
  }
};
