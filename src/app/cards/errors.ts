/** What can be wrong with a card that someone named. */
import { FerruleError } from "#kit/errors.ts";
import type { PciFunction } from "./card.ts";
import type { Holder } from "./holders.ts";
import type { Missing } from "./judge.ts";
import { FERRULE } from "./program.ts";

/** Nothing is in that slot. */
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

/** "10ec:8168". */
export const idText = ({ vendor, device }: Pick<PciFunction, "vendor" | "device">): string =>
  `${hex(vendor, 4)}:${hex(device, 4)}`;

/** Something else is in that slot. */
export class NotOfFamily extends FerruleError {
  readonly code = "NOT_OF_FAMILY";
  readonly hint: string;
  constructor(found: PciFunction, olderRelative: boolean) {
    super(`${found.address} is ${idText(found)} revision ${hex(found.revision, 2)}, which is no card of this family`);
    this.hint = olderRelative
      ? "This is an RTL8139 of before the C+, with another engine: its driver is 8139too."
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

/** The card cannot be used as the machine is. */
export class NotUsable extends FerruleError {
  readonly code: string;
  readonly hint: string;
  readonly missing: Missing;
  constructor(address: string, missing: Missing) {
    super(`${address} cannot be used: ${missing.what}: ${missing.saw}`);
    this.missing = missing;
    this.code = CODES[missing.what];
    this.hint = missing.fix.join("; ");
  }
}

/** Someone is working with it. */
export class CardInUse extends FerruleError {
  readonly code = "IN_USE";
  readonly hint: string;
  constructor(address: string, holders: readonly Holder[]) {
    const who = holders.map(({ pid, command }) => `process ${pid} (${command})`).join(", ");
    super(`${address} is in use by ${who || "another process"}`);
    const ends = holders.map(({ end }) => `\`${end}\``).join(", ") || "End that process";
    this.hint = `${ends}; or \`sudo ${FERRULE} unbind ${address} --force\`, at which the kernel asks for it back.`;
  }
}

/** Taking it would cut something off. */
export class CarriesTraffic extends FerruleError {
  readonly code = "CARRIES_TRAFFIC";
  readonly hint: string;
  constructor(address: string, what: readonly string[]) {
    super(`${address} carries ${what.join(" and ")}`);
    this.hint = "Taking it would cut that off. Move it to another interface first, or add --force.";
  }
}

/** The kernel's files cannot be written. */
export class BindNotPermitted extends FerruleError {
  readonly code = "NOT_PERMITTED";
  readonly hint: string;
  constructor(path: string, code: string) {
    super(`${path} cannot be written [${code}]`);
    this.hint =
      code === "EROFS"
        ? "/sys is mounted read-only here: run this outside the container, or give it /sys writable."
        : `Run it as root: \`sudo ${FERRULE} …\`.`;
  }
}

/** The kernel refused a step. */
export class StepRefused extends FerruleError {
  readonly code = "STEP_REFUSED";
  readonly hint: string;
  constructor(step: string, code: string, hint = "`sudo dmesg | tail` says why.") {
    super(`the kernel refuses ${step} [${code}]`);
    this.hint = hint;
  }
}

/** All steps were made, and the card is not where it should be. */
export class BindFailed extends FerruleError {
  readonly code = "NOT_MOVED";
  readonly hint: string;
  constructor(address: string, wanted: string, got: string | undefined, hint: string) {
    super(`${address} did not go to ${wanted}: ${got === undefined ? "no driver" : got} has it`);
    this.hint = hint;
  }
}

/** A driver takes its time. */
export class StillBusy extends FerruleError {
  readonly code = "STILL_BUSY";
  readonly hint = "The kernel goes on with it. `sudo dmesg | tail` may say why; then say the same again.";
  constructor(address: string, driver: string) {
    super(`${driver} is still busy with ${address} after 10 s`);
  }
}

/** Another `ferrule bind` or `unbind` has its hands on the card. */
export class BindInProgress extends FerruleError {
  readonly code = "BEING_MOVED";
  readonly hint = "Wait until it has ended, then say it again.";
  constructor(address: string) {
    super(`another command is just moving ${address}`);
  }
}
