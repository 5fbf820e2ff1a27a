/**
 * Determines what is missing before `ferrule up` can use a card, and the commands that fix it. These are pure
 * functions, so that every case can be tested.
 */
import type { Card, PciFunction } from "./card.ts";
import { isOfFamily } from "./family.ts";
import type { Holder } from "./holders.ts";
import { wordOff, wordOn } from "./kernel-line.ts";
import { type Machine, VFIO_PCI } from "./machine.ts";
import { FERRULE } from "./program.ts";

/** A card with everything that decides whether it can be used. */
export interface CardState {
  readonly card: Card;
  readonly machine: Machine;
  /** The group's file in /dev/vfio: whether it exists, and whether this process may open it. */
  readonly groupFile: "absent" | "closed" | "open";
  readonly holders: readonly Holder[];
}

/** One requirement that is not met. */
export interface Missing {
  readonly what: "IOMMU" | "module" | "group" | "driver" | "use" | "permission" | "locked memory";
  readonly saw: string;
  /** Commands, or instructions if there is no command. */
  readonly fix: readonly string[];
}

/** Recommended limit of locked memory in bytes: enough for all rings and buffers of a card, with a reserve. */
export const REQUIRED_LOCKABLE_BYTES = 64 * 2 ** 20;

const FIRMWARE_SETUP = "sudo systemctl reboot --firmware-setup";

const missing = (saw: string, fix: readonly string[]): Missing => ({ what: "IOMMU", saw, fix });

const noIommu = (machine: Machine): Missing => {
  const off = machine.iommuWords.find((word) => /^(intel_iommu|amd_iommu|iommu)=(.*,)?off\b/.test(word));
  if (off !== undefined)
    return missing(`switched off on the kernel's command line (${off})`, [wordOff(machine.boot, off)]);
  if (machine.firmwareTable !== undefined && machine.processor === "intel") {
    const asked = machine.iommuWords.some((word) => /^intel_iommu=.*\bon\b/.test(word));
    if (!asked)
      return missing("not switched on: the kernel's command line does not ask for it", [
        wordOn(machine.boot, "intel_iommu=on"),
      ]);
  }
  if (machine.firmwareTable !== undefined)
    return missing("the firmware has one, but the kernel does not use it", ["sudo dmesg | grep -i -e dmar -e iommu"]);
  if (machine.guest)
    return missing("this machine is a guest, and its hypervisor provides none", [
      "on the host, for QEMU: -machine q35,kernel-irqchip=split -device intel-iommu,intremap=on,caching-mode=on",
    ]);
  const name = { intel: "VT-d", amd: "IOMMU (AMD-Vi)", other: "the IOMMU (SMMU)" }[machine.processor];
  const setup = machine.firmwareSetup ? FIRMWARE_SETUP : "restart, and enter the firmware's set-up";
  return missing(`off in the firmware: switch ${name} on in its set-up`, [setup]);
};

const iommu = ({ card, machine }: CardState): readonly Missing[] => {
  if (card.group?.unsafe === true || (card.group === undefined && machine.unsafeNoIommu))
    return [
      {
        what: "IOMMU",
        saw: "none, but VFIO's no-IOMMU mode is on: the card could access all memory",
        fix: [`pass --unsafe-noiommu to ${FERRULE} bind and up`],
      },
    ];
  if (card.group !== undefined) return [];
  if (machine.groups === 0 && machine.iommus.length === 0) return [noIommu(machine)];
  return [{ what: "IOMMU", saw: "the machine has one, but this slot is not behind it", fix: ["use another slot"] }];
};

/**
 * Drivers that VFIO accepts for the other functions of a group: VFIO's own driver, drivers of bridges, and drivers that
 * do not use DMA.
 */
const HARMLESS_DRIVERS = ["pcieport", "pci-stub", VFIO_PCI];
const BRIDGE_PCI = 0x0604;

const isHarmless = ({ driver, class: code }: PciFunction): boolean =>
  driver === undefined ||
  HARMLESS_DRIVERS.includes(driver) ||
  /[-_]vfio[-_]pci$/.test(driver) ||
  code >>> 8 === BRIDGE_PCI;

/** Other functions of the group whose kernel driver may use DMA. While there are any, VFIO does not open the group. */
export const blockingFunctions = (card: Card): readonly PciFunction[] =>
  (card.group?.others ?? []).filter((other) => !isHarmless(other));

/** The command that unbinds a function from its kernel driver. */
export const releaseCommand = (other: PciFunction): string =>
  isOfFamily(other)
    ? `sudo ${FERRULE} bind ${other.address}`
    : `echo ${other.address} | sudo tee /sys/bus/pci/drivers/${other.driver}/unbind`;

const group = ({ card }: CardState): readonly Missing[] => {
  const others = blockingFunctions(card);
  if (others.length === 0) return [];
  const who = others.map(({ address, driver }) => `${address} (${driver})`).join(", ");
  return [
    {
      what: "group",
      saw: `group ${card.group?.number} is not viable because of ${who}`,
      fix: [...others.map(releaseCommand), "or move the card to a slot with a separate group"],
    },
  ];
};

const binding = ({ card, machine }: CardState): readonly Missing[] => {
  if (card.driver === VFIO_PCI) return [];
  const saw = card.driver === undefined ? "not bound to a driver" : `bound to ${card.driver}`;
  const missing: Missing = { what: "driver", saw, fix: [`sudo ${FERRULE} bind ${card.address}`] };
  if (machine.vfioPci) return [missing];
  return [{ what: "module", saw: "vfio-pci is not loaded", fix: ["sudo modprobe vfio-pci"] }, missing];
};

const use = ({ holders }: CardState): readonly Missing[] =>
  holders.map(({ pid, command, end }) => ({ what: "use", saw: `process ${pid} (${command}) has it open`, fix: [end] }));

const permissions = ({ card, groupFile }: CardState): readonly Missing[] => {
  const file = groupFilePath(card);
  if (file === undefined || card.driver !== VFIO_PCI || groupFile === "open") return [];
  if (groupFile === "absent")
    return [
      {
        what: "permission",
        saw: `there is no ${file}`,
        fix: [`in a container: --device ${file} --device /dev/vfio/vfio`],
      },
    ];
  return [{ what: "permission", saw: `this user may not open ${file}`, fix: [`sudo chown $USER ${file}`] }];
};

const size = (bytes: number): string =>
  bytes < 2 ** 20 ? `${Math.floor(bytes / 2 ** 10)} KiB` : `${Math.floor(bytes / 2 ** 20)} MiB`;

const memory = ({ machine }: CardState): readonly Missing[] => {
  if (machine.lockableBytes >= REQUIRED_LOCKABLE_BYTES) return [];
  return [
    {
      what: "locked memory",
      saw: `this process may lock ${size(machine.lockableBytes)}, but ${size(REQUIRED_LOCKABLE_BYTES)} are recommended`,
      fix: [`sudo prlimit --pid $$ --memlock=${REQUIRED_LOCKABLE_BYTES}`],
    },
  ];
};

/** The group's file in /dev/vfio. */
export const groupFilePath = ({ group }: Card, dev = "/dev"): string | undefined =>
  group === undefined ? undefined : `${dev}/vfio/${group.unsafe ? "noiommu-" : ""}${group.number}`;

/** Everything that is missing, in the order in which it must be fixed. */
export const judgeCard = (state: CardState): readonly Missing[] => [
  ...iommu(state),
  ...group(state),
  ...binding(state),
  ...use(state),
  ...permissions(state),
  ...memory(state),
];
