/**
 * PCI configuration space by name: the header and the capabilities found in NICs. Sources: PCI 3.0, PCI Express 3.0.
 */
import type { Fields } from "./bits.ts";

/** Offset (for a capability: from the start of the capability), length in bytes, name, fields. */
export type ConfigRegister = readonly [offset: number, bytes: 1 | 2 | 4, name: string, fields?: Fields];

const STATUS = {
  parityError: 1 << 15,
  signalledSystemError: 1 << 14,
  masterAbort: 1 << 13,
  targetAbort: 1 << 12,
  capabilities: 1 << 4,
  interrupt: 1 << 3,
} as const;

// prettier-ignore
// oxfmt-ignore
export const HEADER: readonly ConfigRegister[] = [
  [0x00, 2, "VendorId"], [0x02, 2, "DeviceId"],
  [0x04, 2, "Command", { interruptOff: 1 << 10, systemError: 1 << 8, parity: 1 << 6, busMaster: 1 << 2, memory: 1 << 1, io: 1 << 0 }],
  [0x06, 2, "Status", STATUS],
  [0x08, 1, "Revision"], [0x09, 1, "ProgrammingInterface"], [0x0a, 1, "Subclass"], [0x0b, 1, "Class"],
  [0x0c, 1, "CacheLine"], [0x0d, 1, "LatencyTimer"], [0x0e, 1, "HeaderType"],
  [0x10, 4, "Bar0"], [0x14, 4, "Bar1"], [0x18, 4, "Bar2"], [0x1c, 4, "Bar3"], [0x20, 4, "Bar4"], [0x24, 4, "Bar5"],
  [0x28, 4, "CardBusCis"], [0x2c, 2, "SubsystemVendorId"], [0x2e, 2, "SubsystemId"],
  [0x30, 4, "ExpansionRom"], [0x34, 1, "Capabilities"],
  [0x3c, 1, "InterruptLine"], [0x3d, 1, "InterruptPin"], [0x3e, 1, "MinGrant"], [0x3f, 1, "MaxLatency"],
];

export interface Capability {
  readonly name: string;
  readonly registers: readonly ConfigRegister[];
}

const LINK_STATE = { aspm: 3, clockRequest: 1 << 8 } as const;

/** The capabilities, by identifier. */
// prettier-ignore
// oxfmt-ignore
export const CAPABILITIES: Readonly<Record<number, Capability>> = {
  0x01: { name: "Power", registers: [
    [0, 2, "Id"], [2, 2, "Capabilities"], [4, 2, "Control", { pmeStatus: 1 << 15, pmeEnable: 1 << 8, noSoftReset: 1 << 3, state: 3 }],
  ] },
  0x03: { name: "Vpd", registers: [[0, 2, "Id"], [2, 2, "Address"], [4, 4, "Data"]] },
  0x05: { name: "Msi", registers: [
    [0, 2, "Id"], [2, 2, "Control", { masking: 1 << 8, wide: 1 << 7, messages: 7 << 4, enable: 1 << 0 }],
    [4, 4, "Address"], [8, 4, "AddressHigh"], [12, 2, "Data"],
  ] },
  0x10: { name: "Express", registers: [
    [0, 2, "Id"], [2, 2, "Capabilities"], [4, 4, "DeviceCapabilities"],
    [8, 2, "DeviceControl", { reset: 1 << 15, readRequest: 7 << 12, noSnoop: 1 << 11, relaxedOrdering: 1 << 4, payload: 7 << 5 }],
    [10, 2, "DeviceStatus", { pending: 1 << 5, unsupported: 1 << 3, fatal: 1 << 2, nonFatal: 1 << 1, correctable: 1 << 0 }],
    [12, 4, "LinkCapabilities"], [16, 2, "LinkControl", LINK_STATE], [18, 2, "LinkStatus", { width: 0x3f << 4, speed: 0xf }],
    [36, 4, "DeviceCapabilities2"], [40, 2, "DeviceControl2"],
  ] },
  0x11: { name: "MsiX", registers: [
    [0, 2, "Id"], [2, 2, "Control", { enable: 1 << 15, mask: 1 << 14, size: 0x7ff }],
    [4, 4, "Table", { bar: 7 }], [8, 4, "Pending", { bar: 7 }],
  ] },
};

/** Identifier of the MSI-X capability. */
export const MSIX_CAPABILITY = 0x11;
/** An entry of the MSI-X table: its length in bytes, and its registers. */
export const MSIX_ENTRY_BYTES = 16;
// prettier-ignore
// oxfmt-ignore
export const MSIX_ENTRY: readonly ConfigRegister[] = [
  [0, 4, "Address"], [4, 4, "AddressHigh"], [8, 4, "Data"], [12, 4, "Control", { masked: 1 << 0 }],
];
