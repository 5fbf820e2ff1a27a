/** Cards, kernel and network of the local machine, as the commands use them. */
import { accessSync, constants } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { SystemError } from "#sys/errno.ts";
import { KernelTables } from "#sys/network-tables.ts";
import type { Card } from "./card.ts";
import { trafficOver, type Network } from "./card-traffic.ts";
import { exists, Files, namesIn, numberOf } from "./files.ts";
import { holdersOf } from "./holders.ts";
import { groupFilePath, judgeCard, type Missing, type CardState } from "./judge.ts";
import { linux } from "./kernel.ts";
import { type Machine, readMachine, VFIO_PCI } from "./machine.ts";
import { cardAt, type BindContext } from "./binding.ts";
import { Records } from "./record.ts";
import { CardInUse, NotUsable } from "./errors.ts";

export const localMachine = (files = new Files()): Machine => readMachine(files, process.geteuid?.() ?? -1);

const groupFileOf = (card: Card, files: Files): CardState["groupFile"] => {
  const path = groupFilePath(card, files.dev);
  if (path === undefined || !exists(path)) return "absent";
  try {
    // The file is not opened, because other programs could then not open the group.
    accessSync(path, constants.R_OK | constants.W_OK);
    return "open";
  } catch {
    return "closed";
  }
};

export const cardState = (card: Card, machine: Machine, files = new Files()): CardState => ({
  card,
  machine,
  groupFile: groupFileOf(card, files),
  holders: card.driver === VFIO_PCI ? holdersOf(files, card.address) : [],
});

/** Flag of a persistent TAP (linux/if_tun.h). */
const IFF_PERSIST = 0x0800;

/** Whether an interface is a persistent TAP. */
export const isPrepared = (files: Files, name: string): boolean =>
  ((numberOf(join(files.sys, "class/net", name, "tun_flags")) ?? 0) & IFF_PERSIST) !== 0;

/** The TAPs that belong to one user. */
export const preparedTaps = (files: Files, user: number): readonly string[] =>
  namesIn(join(files.sys, "class/net")).filter(
    (name) => numberOf(join(files.sys, "class/net", name, "owner")) === user,
  );

/**
 * Describes the traffic that would be cut off if the card were unbound. If it cannot be determined, returns the reason.
 */
export const trafficOf = (card: Card, files: Files, network: () => Network & Disposable): readonly string[] => {
  if (card.driver === undefined || card.driver === VFIO_PCI) return [];
  const names = card.interfaces.map(({ name }) => name);
  // The kernel shows only the interfaces of this namespace.
  if (names.length === 0 && exists(join(files.device(card.address), "net")))
    return [`traffic that is not visible here: ${card.driver}'s interface is in another network namespace`];
  if (names.length === 0) return [];
  try {
    using here = network();
    return trafficOver(here, names);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return [`perhaps the default route: the kernel does not report it [${error.code}]`];
  }
};

/** The network of this thread's namespace. @throws {SystemError} */
const localNetwork = (files: Files): Network & Disposable => {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, list = []]) =>
    list.map(({ address }) => ({ interface: name, address: address.replace(/%.*/, "") })),
  );
  const tables = new KernelTables();
  return { files, tables, addresses, environment: process.env, [Symbol.dispose]: () => tables[Symbol.dispose]() };
};

/** The local machine, as `bind` and `unbind` use it. */
export const localBindContext = (): BindContext => {
  const files = new Files();
  return {
    files,
    kernel: linux,
    records: new Records(),
    machine: localMachine(files),
    trafficOver: (card) => trafficOf(card, files, () => localNetwork(files)),
  };
};

/**
 * Checks, before `ferrule up` opens the card, that it can be opened. A low limit on locked memory is not an error here:
 * the bus can use a smaller window.
 * @throws {UnknownCard} {NotOfFamily} {CardInUse} {NotUsable} with the command that fixes it
 */
export const checkCard = (address: string, { unsafeNoIommu = false } = {}, files = new Files()): Card => {
  const card = cardAt(files, address);
  const machine = localMachine(files);
  const state = cardState(card, machine, files);
  const lacks = judgeCard(state);
  const bare = unsafeNoIommu && (card.group?.unsafe ?? machine.unsafeNoIommu);
  const tolerated = ({ what }: Missing): boolean => what === "locked memory" || (what === "IOMMU" && bare);
  const missing = lacks.find((each) => !tolerated(each));
  if (missing?.what === "use") throw new CardInUse(address, state.holders);
  if (missing !== undefined) throw new NotUsable(address, missing);
  return card;
};
