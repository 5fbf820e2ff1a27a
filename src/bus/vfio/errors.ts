/** Reasons why a card cannot be opened or was lost, with advice. */
import { FerruleError } from "#kit/errors.ts";

/** A PCI function and its driver. */
export interface Neighbour {
  readonly address: string;
  readonly driver: string | undefined;
}

const mebibytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`;
const hex = (value: number): string => `0x${value.toString(16)}`;

export class NoSuchCard extends FerruleError {
  readonly code = "NO_SUCH_CARD";
  readonly hint = "`ferrule list` shows the cards of this machine.";
  readonly address: string;
  constructor(address: string) {
    super(`there is no PCI device at ${address}`);
    this.address = address;
  }
}

/** The card has another driver, or none. */
export class NotBound extends FerruleError {
  readonly code = "NOT_BOUND";
  readonly hint: string;
  readonly address: string;
  readonly driver: string | undefined;
  constructor({ address, driver }: Neighbour) {
    super(`${address} is ${driver === undefined ? "not bound to a driver" : `bound to ${driver}`}, not to vfio-pci`);
    this.address = address;
    this.driver = driver;
    this.hint = `Bind it with \`ferrule bind ${address}\`.`;
  }
}

/** No IOMMU restricts the card's DMA, and the user has not allowed that. */
export class NoIommu extends FerruleError {
  readonly code = "NO_IOMMU";
  readonly hint: string;
  constructor(address: string, offered: boolean) {
    super(`no IOMMU protects this machine's memory from ${address}`);
    const risk = "or allow the card to write to all memory with --unsafe-noiommu";
    this.hint = offered
      ? `Enable the IOMMU (VT-d or AMD-Vi in the firmware; intel_iommu=on on the kernel command line), ${risk}.`
      : `Enable the IOMMU (VT-d or AMD-Vi in the firmware; intel_iommu=on on the kernel command line); then \`ferrule bind ${address}\`.`;
  }
}

/** A file of VFIO or of iommufd does not exist. */
export class NoVfioFile extends FerruleError {
  readonly code = "NO_VFIO_FILE";
  readonly hint =
    "Load the module: `sudo modprobe vfio-pci`. If this is a container, start it with access to /dev/vfio.";
  readonly path: string;
  constructor(path: string) {
    super(`${path} does not exist`);
    this.path = path;
  }
}

export class NotPermitted extends FerruleError {
  readonly code = "NOT_PERMITTED";
  readonly hint: string;
  readonly path: string;
  constructor(path: string, unsafe: boolean) {
    super(`this user may not open ${path}`);
    this.path = path;
    this.hint = unsafe
      ? "Without an IOMMU only root may do that: use sudo."
      : `Give the user access (\`sudo chown $USER ${path}\`, or the udev rule that comes with Ferrule), or run it with sudo.`;
  }
}

export class InUse extends FerruleError {
  readonly code = "IN_USE";
  readonly hint: string;
  constructor(address: string, path: string) {
    super(`${address} is in use by another program`);
    this.hint = `\`sudo fuser -v ${path}\` shows which one, such as another \`ferrule up\` or a virtual machine.`;
  }
}

/** Devices that the IOMMU cannot isolate from ours are still bound to kernel drivers. */
export class GroupNotViable extends FerruleError {
  readonly code = "GROUP_NOT_VIABLE";
  readonly hint: string;
  readonly group: number;
  readonly others: readonly Neighbour[];
  constructor(address: string, group: number, others: readonly Neighbour[]) {
    const named = others.map((other) => `${other.address} (${other.driver ?? "no driver"})`).join(", ");
    super(`${address} shares IOMMU group ${group} with devices bound to kernel drivers: ${named || "unknown ones"}`);
    this.group = group;
    this.others = others;
    const all = others.map((other) => `\`ferrule bind ${other.address}\``).join(", ");
    this.hint = `Bind those too (${all || "see `ferrule list`"}), or put the card into another slot.`;
  }
}

/** The IOMMU cannot prevent a device from forging interrupts. */
export class NoInterruptRemapping extends FerruleError {
  readonly code = "NO_INTERRUPT_REMAPPING";
  readonly hint =
    "Enable interrupt remapping in the firmware, or trust the card: `echo Y | sudo tee /sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts`.";
  constructor(address: string) {
    super(`the kernel does not allow VFIO for ${address}: this machine's IOMMU does not remap interrupts`);
  }
}

/** The kernel's VFIO interface is not supported. */
export class UnknownVfio extends FerruleError {
  readonly code = "UNKNOWN_VFIO";
  readonly hint: string;
  constructor(
    what: string,
    hint = "Use a kernel from 4.0 on, with vfio_iommu_type1 loaded: `sudo modprobe vfio_iommu_type1`.",
  ) {
    super(what);
    this.hint = hint;
  }
}

export class NoRegisters extends FerruleError {
  readonly code = "NO_REGISTERS";
  readonly hint =
    "The firmware assigned no addresses, or the card does not belong to this family: `lspci -vv` shows its regions.";
  constructor(address: string) {
    super(`${address} has no registers in memory`);
  }
}

export class BarTooSmall extends FerruleError {
  readonly code = "BAR_TOO_SMALL";
  readonly hint =
    "The card does not belong to this family, or the firmware configured it incorrectly: `lspci -vv` shows its regions.";
  readonly bar: number;
  readonly bytes: number;
  readonly needed: number;
  constructor(address: string, fields: { readonly bar: number; readonly bytes: number; readonly needed: number }) {
    super(`region ${fields.bar} of ${address} has ${fields.bytes} bytes, but its registers need ${fields.needed}`);
    this.bar = fields.bar;
    this.bytes = fields.bytes;
    this.needed = fields.needed;
  }
}

/** The card does not return to full power. */
export class Asleep extends FerruleError {
  readonly code = "ASLEEP";
  readonly hint: string;
  readonly state: number;
  constructor(address: string, state: number) {
    super(`${address} stays in power state D${state}`);
    this.state = state;
    this.hint = `Power the machine off and on; if that does not help, \`echo on | sudo tee /sys/bus/pci/devices/${address}/power/control\`.`;
  }
}

/** This user has no permission to enable wake-up by the card. */
export class WakeNotPermitted extends FerruleError {
  readonly code = "WAKE_NOT_PERMITTED";
  readonly hint: string;
  constructor(address: string, path: string) {
    super(`${address} may not wake this machine`);
    this.hint = `Allow it: \`echo enabled | sudo tee ${path}\`.`;
  }
}

/** The limit on locked memory is below what DMA needs. */
export class MemlockTooLow extends FerruleError {
  readonly code = "MEMLOCK_TOO_LOW";
  readonly hint: string;
  /** The limit in bytes. */
  readonly limit: number;
  /** Number of bytes of locked memory that DMA needs. */
  readonly wanted: number;
  constructor(fields: { readonly limit: number; readonly wanted: number }) {
    super(
      `DMA needs ${mebibytes(fields.wanted)} of locked memory, but this user's limit is ${Math.floor(fields.limit / 1024)} KiB`,
    );
    this.limit = fields.limit;
    this.wanted = fields.wanted;
    // The hint does not name `ulimit -l`, because an ordinary user cannot raise the limit beyond the hard limit with
    // it.
    const bytes = 1024 * Math.ceil(fields.wanted / 1024);
    this.hint = `Raise it: \`sudo prlimit --pid $$ --memlock=${bytes}\` in this shell, "memlock" in /etc/security/limits.conf, or LimitMEMLOCK= in the unit.`;
  }
}

export class MapRefused extends FerruleError {
  readonly code = "MAP_REFUSED";
  readonly hint =
    "The kernel's log may say why (`sudo dmesg | tail`): too little memory, or other programs use all that the IOMMU can map.";
  constructor(fields: { readonly iova: number; readonly bytes: number; readonly cause: Error }) {
    super(`the IOMMU refuses ${mebibytes(fields.bytes)} at ${hex(fields.iova)}: ${fields.cause.message}`, {
      cause: fields.cause,
    });
  }
}

export class NoAddresses extends FerruleError {
  readonly code = "NO_ADDRESSES";
  readonly hint = "Use less DMA memory, or report this with the machine's /sys/kernel/iommu_groups/*/reserved_regions.";
  constructor(bytes: number) {
    super(`the IOMMU has no contiguous range of ${mebibytes(bytes)} of addresses`);
  }
}

/** Without an IOMMU the device needs physically contiguous memory, and there is not enough. */
export class NotContiguous extends FerruleError {
  readonly code = "NOT_CONTIGUOUS";
  readonly hint: string;
  constructor(wanted: number, found: number, why: string) {
    super(`no ${mebibytes(wanted)} of contiguous memory (at most ${mebibytes(found)}): ${why}`);
    this.hint =
      "Reserve huge pages early, best at boot: `sudo sysctl vm.nr_hugepages=32`, or hugepages=32 on the kernel command line.";
  }
}

export class InterruptsRefused extends FerruleError {
  readonly code = "INTERRUPTS_REFUSED";
  readonly hint =
    "Try another kind; the INTx line may be shared with a device whose driver does not allow sharing (see /proc/interrupts).";
  constructor(address: string, kind: string, cause: Error) {
    super(`${address}: ${kind} interrupts cannot be enabled: ${cause.message}`, { cause });
  }
}

/** The card is being unbound or removed, and the kernel waits for its release. */
export class RemovalRequested extends FerruleError {
  readonly code = "REMOVAL_REQUESTED";
  readonly hint = "The card was released. When it is back, run `ferrule up` again.";
  constructor(address: string) {
    super(`the kernel requests the release of ${address}: it is being unbound or removed`);
  }
}

/** The bus reported an uncorrectable error (PCI Express AER). */
export class BusError extends FerruleError {
  readonly code = "BUS_ERROR";
  readonly hint =
    "The kernel's log has the details (`sudo dmesg | grep -i aer`). Reseat the card, or try another slot.";
  constructor(address: string) {
    super(`${address}: the bus reported an uncorrectable error`);
  }
}
