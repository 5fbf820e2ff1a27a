/**
 * A card's way to vfio-pci and back. Each step looks at how things are and does what is left to do, so that either way may
 * be begun again after a crash between any two of them, and `restoreDriver` mends whatever `take` left.
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

/** What the moves work with. */
export interface BindContext {
  readonly files: Files;
  readonly kernel: Kernel;
  readonly records: Records;
  readonly machine: Machine;
  /** What goes over a card's interfaces, in words. */
  readonly trafficOver: (card: Card) => readonly string[];
}

export interface BindResult {
  readonly address: string;
  /** The drivers before and after. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Whether anything had to be done. */
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

/** Sets who alone may have the card; undefined is anyone. */
const override = (
  { files, kernel }: BindContext,
  { address, override: now }: Card,
  driver: string | undefined,
): void => {
  if (now !== driver) kernel.set(join(files.device(address), "driver_override"), `${driver ?? ""}\n`);
};

/** @throws {BindNotPermitted} before anything is begun by someone who could not finish it */
const checkPermission = ({ files }: BindContext, address: string): void => {
  const path = join(files.device(address), "driver_override");
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new BindNotPermitted(path, (error as NodeJS.ErrnoException).code ?? "EACCES");
  }
};

/** Takes the card from the driver it has. @throws {CardInUse} when that driver waits for somebody to let go */
const release = async ({ files, kernel }: BindContext, address: string): Promise<void> => {
  const driver = driverOf(files, address);
  if (driver === undefined) return;
  const done = await kernel.ask(join(files.driver(driver), "unbind"), address);
  if (done) return;
  const holders = holdersOf(files, address);
  throw holders.length > 0 ? new CardInUse(address, holders) : new StillBusy(address, driver);
};

/** Lets the drivers that are loaded look at the card. */
const probe = async ({ files, kernel }: BindContext, address: string): Promise<void> => {
  if (driverOf(files, address) !== undefined) return;
  const done = await kernel.ask(join(files.sys, "bus/pci/drivers_probe"), address);
  if (!done) throw new StillBusy(address, "its new driver");
};

const refuse = (card: Card, missing: Missing | undefined): void => {
  if (missing !== undefined) throw new NotUsable(card.address, missing);
};

export interface BindOptions {
  /** Also when that cuts something off, and when its group is of no use. */
  readonly force: boolean;
  /** Also where no IOMMU holds the card back. */
  readonly unsafeNoIommu: boolean;
}

/** @throws {NotUsable} {CarriesTraffic} before anything has changed */
const checkBind = (context: BindContext, card: Card, { force, unsafeNoIommu }: BindOptions): void => {
  const lacks = judgeCard({ card, machine: context.machine, groupFile: "open", holders: [] });
  const first = (what: Missing["what"]): Missing | undefined => lacks.find((missing) => missing.what === what);
  if (!(unsafeNoIommu && context.machine.unsafeNoIommu)) refuse(card, first("IOMMU"));
  if (force) return;
  // Two of ours in one group are taken one after the other.
  if (!blockingFunctions(card).every(isOfFamily)) refuse(card, first("group"));
  const cut = context.trafficOver(card);
  if (cut.length > 0) throw new CarriesTraffic(card.address, cut);
};

/**
 * What to remember. Between two steps of an earlier try the card has no driver, or vfio-pci: what was remembered then
 * stands; where nothing was, the origin is not known, and giving back asks all drivers.
 */
const remember = ({ files, records }: BindContext, { address, driver, override }: Card): void => {
  if (driver === VFIO_PCI) return;
  if (driver === undefined && (override === VFIO_PCI || records.read(address) !== undefined)) return;
  const module = driver === undefined ? undefined : linkOf(join(files.driver(driver), "module"));
  records.write(address, { driver, module, override: override === VFIO_PCI ? undefined : override });
};

/** @throws {NotUsable} with what modprobe said */
const loadVfioPci = async ({ files, kernel }: BindContext, address: string): Promise<void> => {
  if (exists(files.driver(VFIO_PCI))) return;
  const problem = await kernel.load(VFIO_PCI);
  if (problem === undefined || exists(files.driver(VFIO_PCI))) return;
  const saw = `vfio-pci cannot be loaded: ${problem}`;
  throw new NotUsable(address, { what: "module", saw, fix: ["sudo modprobe vfio-pci"] });
};

/** Gives a card to vfio-pci. @throws {UnknownCard} {NotOfFamily} {NotUsable} {CarriesTraffic} {BindNotPermitted} {BindFailed} */
export const bindToVfio = async (context: BindContext, address: string, options: BindOptions): Promise<BindResult> => {
  const { files } = context;
  const card = cardAt(files, address);
  const { driver: from } = card;
  checkBind(context, card, options);
  if (from === VFIO_PCI && card.override === VFIO_PCI) return { address, from, to: from, changed: false };
  checkPermission(context, address);
  await loadVfioPci(context, address);
  remember(context, card);
  override(context, card, VFIO_PCI);
  if (from !== VFIO_PCI) await release(context, address);
  await probe(context, address);
  const to = driverOf(files, address);
  if (to === VFIO_PCI) return { address, from, to, changed: true };
  await restoreDriver(context, address, { force: false });
  throw new BindFailed(address, VFIO_PCI, to, "It was given back. `sudo dmesg | tail` says why vfio-pci refused it.");
};

/** Gives the card, when it has no driver, to the one it came from. */
const bindToOrigin = async (context: BindContext, address: string, { driver, module }: Origin): Promise<void> => {
  const { files, kernel } = context;
  if (driver === undefined || driverOf(files, address) !== undefined) return;
  // A driver that has just come looks at the cards by itself.
  if (!exists(files.driver(driver))) await kernel.load(module ?? driver);
  if (driverOf(files, address) !== undefined || !exists(files.driver(driver))) return;
  try {
    // By name: vfio-pci takes whatever was added to its own list of identities.
    const done = await kernel.ask(join(files.driver(driver), "bind"), address);
    if (!done) throw new StillBusy(address, driver);
  } catch (error) {
    // It may have wanted more than the card's identity.
    if (!(error instanceof StepRefused)) throw error;
  }
};

/** Gives the card, which has no driver, to whichever takes it. */
const bindToAny = async (context: BindContext, address: string): Promise<void> => {
  const kind = textOf(join(context.files.device(address), "modalias"));
  if (kind !== undefined) await context.kernel.load(kind);
  await probe(context, address);
};

/**
 * Gives a card back to the driver it had, or to whichever wants it where that is not known.
 * @throws {UnknownCard} {NotOfFamily} {CardInUse} {BindNotPermitted} {BindFailed}
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
  override(context, card, origin === undefined ? someoneElses(card) : origin.override);
  if (from === VFIO_PCI) await release(context, address);
  if (origin !== undefined) await bindToOrigin(context, address, origin);
  const hadNone = origin !== undefined && origin.driver === undefined;
  if (!hadNone && driverOf(files, address) === undefined) await bindToAny(context, address);
  const to = driverOf(files, address);
  if (!hadNone && (to === undefined || to === VFIO_PCI))
    throw new BindFailed(address, origin?.driver ?? "a kernel driver", to, retryHint(address, origin?.driver));
  records.remove(address);
  return { address, from, to, changed: true };
};

const retryHint = (address: string, driver: string | undefined): string =>
  `Try \`sudo modprobe ${driver ?? "r8169"}\` and \`sudo ${FERRULE} unbind ${address}\` again; \`sudo dmesg | tail\` says more.`;

/** An override that someone else set is left as it is. */
const someoneElses = ({ override: now }: Card): string | undefined => (now === VFIO_PCI ? undefined : now);

/** A card that has gone needs no giving back: what was remembered of it is forgotten. */
const cardWithRecord = ({ files, records }: BindContext, address: string): Card => {
  try {
    return cardAt(files, address);
  } catch (error) {
    if (error instanceof UnknownCard) records.remove(address);
    throw error;
  }
};
