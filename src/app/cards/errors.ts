/** Errors about a card that the user named. */
import { FerruleError } from "#kit/errors.ts";
import type { PciFunction } from "./card.ts";
import type { Holder } from "./holders.ts";
import type { Missing } from "./judge.ts";
import { FERRULE } from "./program.ts";

/** There is no PCI function at the address. */
export class UnknownCard extends FerruleError {
  readonly code = "NO_SUCH_CARD";
  readonly hint: string;
  constructor(address: string, cards: readonly string[]) {
    super(`there is no PCI function ${address}`);
    this.hint =
      cards.length === 0
        ? "This machine has no card of the family: see `ferrule list`."
        : `This machine's cards of the family are ${cards.join(", ")}: see \`ferrule list\`.`;
  }
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** The vendor and device ids as lspci prints them: "10ec:8168". */
export const idText = ({ vendor, device }: Pick<PciFunction, "vendor" | "device">): string =>
  `${hex(vendor, 4)}:${hex(device, 4)}`;

/** The device does not belong to the family. */
export class NotOfFamily extends FerruleError {
  readonly code = "NOT_OF_FAMILY";
  readonly hint: string;
  constructor(found: PciFunction, olderRelative: boolean) {
    super(
      `${found.address} is ${idText(found)} revision ${hex(found.revision, 2)}, which is not a card of this family`,
    );
    this.hint = olderRelative
      ? "This is an RTL8139 older than the C+, which has no descriptor rings: its driver is 8139too."
      : "`ferrule list` shows this machine's cards of the family.";
  }
}

const CODES: Readonly<Record<Missing["what"], string>> = {
  IOMMU: "NO_IOMMU",
  module: "NO_VFIO_PCI",
  group: "GROUP_NOT_VIABLE",
  driver: "NOT_BOUND",
  use: "IN_USE",
  permission: "NO_PERMISSION",
  "locked memory": "MEMLOCK_TOO_LOW",
};

/** Describes what is missing, for a message. */
const descriptionOf = ({ what, saw }: Missing): string => {
  if (what === "IOMMU") return `IOMMU: ${saw}`;
  return what === "driver" ? `it is ${saw}` : saw;
};

/** The card cannot be used in the present state of the machine. */
export class NotUsable extends FerruleError {
  readonly code: string;
  readonly hint: string;
  readonly missing: Missing;
  constructor(address: string, missing: Missing) {
    super(`${address} cannot be used: ${descriptionOf(missing)}`);
    this.missing = missing;
    this.code = CODES[missing.what];
    this.hint = missing.fix.join("; ");
  }
}

/** A process uses the card. */
export class CardInUse extends FerruleError {
  readonly code = "IN_USE";
  readonly hint: string;
  constructor(address: string, holders: readonly Holder[]) {
    const who = holders.map(({ pid, command }) => `process ${pid} (${command})`).join(", ");
    super(`${address} is in use by ${who || "another process"}`);
    const ends = holders.map(({ end }) => `\`${end}\``).join(", ") || "End that process";
    this.hint = `${ends}; or run \`sudo ${FERRULE} unbind ${address} --force\`, after which the kernel asks the process to release the card.`;
  }
}

/** Binding the card would cut off traffic. */
export class CarriesTraffic extends FerruleError {
  readonly code = "CARRIES_TRAFFIC";
  readonly hint: string;
  constructor(address: string, what: readonly string[]) {
    super(`${address} carries ${what.join(" and ")}`);
    this.hint = "Binding the card would cut this off. Move the traffic to another interface first, or add --force.";
  }
}

/** This process may not write one of the kernel's files. */
export class BindNotPermitted extends FerruleError {
  readonly code = "NOT_PERMITTED";
  readonly hint: string;
  constructor(path: string, code: string) {
    super(`${path} cannot be written [${code}]`);
    this.hint =
      code === "EROFS"
        ? "/sys is mounted read-only here: run this outside the container, or make /sys writable in it."
        : `Run it as root: \`sudo ${FERRULE} …\`.`;
  }
}

/** The kernel refused a step of binding or unbinding. */
export class StepRefused extends FerruleError {
  readonly code = "STEP_REFUSED";
  readonly hint: string;
  constructor(step: string, code: string, hint = "`sudo dmesg | tail` shows why.") {
    super(`the kernel refuses ${step} [${code}]`);
    this.hint = hint;
  }
}

/** All steps succeeded, but the card is not bound to the requested driver. */
export class BindFailed extends FerruleError {
  readonly code = "NOT_MOVED";
  readonly hint: string;
  constructor(address: string, wanted: string, got: string | undefined, hint: string) {
    super(`${address} was not bound to ${wanted}, but to ${got ?? "no driver"}`);
    this.hint = hint;
  }
}

/** The driver did not finish in time. */
export class StillBusy extends FerruleError {
  readonly code = "STILL_BUSY";
  readonly hint = "The kernel continues. `sudo dmesg | tail` may show why; then repeat the command.";
  constructor(address: string, driver: string) {
    super(`${driver} is still busy with ${address} after 10 s`);
  }
}

/** Another `ferrule bind` or `unbind` is working on the card. */
export class BindInProgress extends FerruleError {
  readonly code = "BEING_MOVED";
  readonly hint = "Wait until the other command has ended, then repeat this one.";
  constructor(address: string) {
    super(`another command is binding or unbinding ${address}`);
  }
}
