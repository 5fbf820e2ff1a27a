/**
 * A card's way to vfio-pci and back. Each step looks at how things are and does what is left to do, so that either way may
 * be begun again after a crash between any two of them, and `giveBack` mends whatever `take` left.
 */
import { accessSync, constants } from "node:fs";
import { join } from "node:path";
import { type Card, listCards, readCard } from "./card.ts";
import {
  Carries,
  InUse,
  NoSuchCard,
  NotMoved,
  NotOfFamily,
  NotPermitted,
  NotUsable,
  StepRefused,
  StillBusy,
} from "./errors.ts";
import { isOfFamily, isOlderRelative } from "./family.ts";
import { exists, type Files, linkOf, textOf } from "./files.ts";
import { holdersOf } from "./holders.ts";
import { intruders, judgeCard, type Lack } from "./judge.ts";
import type { Kernel } from "./kernel.ts";
import { type Machine, VFIO_PCI } from "./machine.ts";
import { FERRULE } from "./program.ts";
import type { Origin, Records } from "./record.ts";

/** What the moves work with. */
export interface Yard {
  readonly files: Files;
  readonly kernel: Kernel;
  readonly records: Records;
  readonly machine: Machine;
  /** What goes over a card's interfaces, in words. */
  readonly carries: (card: Card) => readonly string[];
}

export interface Moved {
  readonly address: string;
  /** The drivers before and after. */
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Whether anything had to be done. */
  readonly changed: boolean;
}

/** @throws {NoSuchCard} {NotOfFamily} */
export const cardAt = (files: Files, address: string): Card => {
  const card = readCard(files, address);
  if (card === undefined)
    throw new NoSuchCard(
      address,
      listCards(files).map((each) => each.address),
    );
  if (!isOfFamily(card)) throw new NotOfFamily(card, isOlderRelative(card));
  return card;
};

const driverOf = (files: Files, address: string): string | undefined => linkOf(join(files.device(address), "driver"));

/** Sets who alone may have the card; undefined is anyone. */
const override = ({ files, kernel }: Yard, { address, override: now }: Card, driver: string | undefined): void => {
  if (now !== driver) kernel.set(join(files.device(address), "driver_override"), `${driver ?? ""}\n`);
};

/** @throws {NotPermitted} before anything is begun by someone who could not finish it */
const checkPermission = ({ files }: Yard, address: string): void => {
  const path = join(files.device(address), "driver_override");
  try {
    accessSync(path, constants.W_OK);
  } catch (error) {
    throw new NotPermitted(path, (error as NodeJS.ErrnoException).code ?? "EACCES");
  }
};

/** Takes the card from the driver it has. @throws {InUse} when that driver waits for somebody to let go */
const release = async ({ files, kernel }: Yard, address: string): Promise<void> => {
  const driver = driverOf(files, address);
  if (driver === undefined) return;
  const done = await kernel.ask(join(files.driver(driver), "unbind"), address);
  if (done) return;
  const holders = holdersOf(files, address);
  throw holders.length > 0 ? new InUse(address, holders) : new StillBusy(address, driver);
};

/** Lets the drivers that are loaded look at the card. */
const probe = async ({ files, kernel }: Yard, address: string): Promise<void> => {
  if (driverOf(files, address) !== undefined) return;
  const done = await kernel.ask(join(files.sys, "bus/pci/drivers_probe"), address);
  if (!done) throw new StillBusy(address, "its new driver");
};

const refuse = (card: Card, lack: Lack | undefined): void => {
  if (lack !== undefined) throw new NotUsable(card.address, lack);
};

export interface TakeOptions {
  /** Also when that cuts something off, and when its group is of no use. */
  readonly force: boolean;
  /** Also where no IOMMU holds the card back. */
  readonly unsafeNoIommu: boolean;
}

/** @throws {NotUsable} {Carries} before anything has changed */
const checkTake = (yard: Yard, card: Card, { force, unsafeNoIommu }: TakeOptions): void => {
  const lacks = judgeCard({ card, machine: yard.machine, groupFile: "open", holders: [] });
  const first = (what: Lack["what"]): Lack | undefined => lacks.find((lack) => lack.what === what);
  if (!(unsafeNoIommu && yard.machine.unsafeNoIommu)) refuse(card, first("IOMMU"));
  if (force) return;
  // Two of ours in one group are taken one after the other.
  if (!intruders(card).every(isOfFamily)) refuse(card, first("group"));
  const cut = yard.carries(card);
  if (cut.length > 0) throw new Carries(card.address, cut);
};

/**
 * What to remember. Between two steps of an earlier try the card has no driver, or vfio-pci: what was remembered then
 * stands; where nothing was, the origin is not known, and giving back asks all drivers.
 */
const remember = ({ files, records }: Yard, { address, driver, override }: Card): void => {
  if (driver === VFIO_PCI) return;
  if (driver === undefined && (override === VFIO_PCI || records.read(address) !== undefined)) return;
  const module = driver === undefined ? undefined : linkOf(join(files.driver(driver), "module"));
  records.write(address, { driver, module, override: override === VFIO_PCI ? undefined : override });
};

/** @throws {NotUsable} with what modprobe said */
const loadVfioPci = async ({ files, kernel }: Yard, address: string): Promise<void> => {
  if (exists(files.driver(VFIO_PCI))) return;
  const problem = await kernel.load(VFIO_PCI);
  if (problem === undefined || exists(files.driver(VFIO_PCI))) return;
  const saw = `vfio-pci cannot be loaded: ${problem}`;
  throw new NotUsable(address, { what: "module", saw, fix: ["sudo modprobe vfio-pci"] });
};

/** Gives a card to vfio-pci. @throws {NoSuchCard} {NotOfFamily} {NotUsable} {Carries} {NotPermitted} {NotMoved} */
export const take = async (yard: Yard, address: string, options: TakeOptions): Promise<Moved> => {
  const { files } = yard;
  const card = cardAt(files, address);
  const { driver: from } = card;
  checkTake(yard, card, options);
  if (from === VFIO_PCI && card.override === VFIO_PCI) return { address, from, to: from, changed: false };
  checkPermission(yard, address);
  await loadVfioPci(yard, address);
  remember(yard, card);
  override(yard, card, VFIO_PCI);
  if (from !== VFIO_PCI) await release(yard, address);
  await probe(yard, address);
  const to = driverOf(files, address);
  if (to === VFIO_PCI) return { address, from, to, changed: true };
  await giveBack(yard, address, { force: false });
  throw new NotMoved(address, VFIO_PCI, to, "It was given back. `sudo dmesg | tail` says why vfio-pci refused it.");
};

/** Gives the card, when it has no driver, to the one it came from. */
const giveToOrigin = async (yard: Yard, address: string, { driver, module }: Origin): Promise<void> => {
  const { files, kernel } = yard;
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
const giveToAny = async (yard: Yard, address: string): Promise<void> => {
  const kind = textOf(join(yard.files.device(address), "modalias"));
  if (kind !== undefined) await yard.kernel.load(kind);
  await probe(yard, address);
};

/**
 * Gives a card back to the driver it had, or to whichever wants it where that is not known.
 * @throws {NoSuchCard} {NotOfFamily} {InUse} {NotPermitted} {NotMoved}
 */
export const giveBack = async (yard: Yard, address: string, { force }: { force: boolean }): Promise<Moved> => {
  const { files, records } = yard;
  const origin = records.read(address);
  const card = cardWithRecord(yard, address);
  const { driver: from } = card;
  const taken = from === undefined || from === VFIO_PCI || card.override === VFIO_PCI;
  if (!taken && origin === undefined) return { address, from, to: from, changed: false };
  const holders = from === VFIO_PCI ? holdersOf(files, address) : [];
  if (holders.length > 0 && !force) throw new InUse(address, holders);
  checkPermission(yard, address);
  override(yard, card, origin === undefined ? someoneElses(card) : origin.override);
  if (from === VFIO_PCI) await release(yard, address);
  if (origin !== undefined) await giveToOrigin(yard, address, origin);
  const hadNone = origin !== undefined && origin.driver === undefined;
  if (!hadNone && driverOf(files, address) === undefined) await giveToAny(yard, address);
  const to = driverOf(files, address);
  if (!hadNone && (to === undefined || to === VFIO_PCI))
    throw new NotMoved(address, origin?.driver ?? "a kernel driver", to, retryHint(address, origin?.driver));
  records.remove(address);
  return { address, from, to, changed: true };
};

const retryHint = (address: string, driver: string | undefined): string =>
  `Try \`sudo modprobe ${driver ?? "r8169"}\` and \`sudo ${FERRULE} unbind ${address}\` again; \`sudo dmesg | tail\` says more.`;

/** An override that someone else set is left as it is. */
const someoneElses = ({ override: now }: Card): string | undefined => (now === VFIO_PCI ? undefined : now);

/** A card that has gone needs no giving back: what was remembered of it is forgotten. */
const cardWithRecord = ({ files, records }: Yard, address: string): Card => {
  try {
    return cardAt(files, address);
  } catch (error) {
    if (error instanceof NoSuchCard) records.remove(address);
    throw error;
  }
};
