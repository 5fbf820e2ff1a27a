/** PCI configuration space of each chip: header, base addresses, capabilities. PCI 3.0, PCIe 3.0, PCI PM 1.2. */
import type { Chip } from "#chip/chips.ts";
import { INTERRUPT_KINDS, type InterruptKind, interruptKinds, type PciFunction } from "#chip/pci-function.ts";
import type { PciIdentity } from "#chip/pci-identity.ts";
import type { RegionName } from "#kit/target.ts";
import { CONFIG_BYTES } from "../registers/page.ts";

/** Offset, number of bytes, value, writable bits, and bits that are cleared by writing ones. */
export type Field = readonly [offset: number, bytes: 1 | 2 | 4, value: number, writable: number, clearable?: number];

export const COMMAND = 0x04;
export const Command = { io: 1 << 0, memory: 1 << 1, busMaster: 1 << 2, interruptOff: 1 << 10 } as const;
export const STATUS = 0x06;
export const Status = { interrupt: 1 << 3, masterAbort: 1 << 13 } as const;
/** Bits in the control and status register of the power management capability. */
export const Pmcsr = { state: 3, noSoftReset: 1 << 3, enable: 1 << 8, status: 1 << 15 } as const;

/** Length in bytes of the I/O BAR, through which the first registers can be accessed. */
const IO_BYTES = 256;
/** Length in bytes of the window with the MSI-X table; the pending bits follow the table. */
export const MSIX_BYTES = 16384;
const MSIX_PENDING_AT = 0x800;
/** Length in bytes of the configuration space of a PCI function. */
const PCI_CONFIG_BYTES = 256;

const isPci = (chip: Chip): boolean => chip.bus === "pci";

/**
 * Length of each region in bytes. BAR0 is for I/O. PCI chips have their registers in BAR1, PCI Express chips in BAR2,
 * and the MSI-X table is in BAR4.
 */
export const regionsOf = (chip: Chip): Readonly<Record<RegionName, number>> => ({
  config: isPci(chip) ? PCI_CONFIG_BYTES : CONFIG_BYTES,
  0: IO_BYTES,
  1: isPci(chip) ? chip.profile.function.windowBytes : 0,
  2: isPci(chip) ? 0 : chip.profile.function.windowBytes,
  3: 0,
  4: chip.profile.function.msixVectors > 0 ? MSIX_BYTES : 0,
  5: 0,
});

/** Type bit of a BAR for 64-bit memory. */
const MEMORY_64 = 0x4;
/** Type bit of a BAR for prefetchable memory, which older chips set. */
const PREFETCHABLE = 0x8;

const bar = (offset: number, kind: number, bytes: number): Field[] =>
  bytes === 0
    ? []
    : [[offset, 4, kind, -bytes >>> 0], ...(kind & MEMORY_64 ? [[offset + 4, 4, 0, 0xffff_ffff] as const] : [])];

const header = (chip: Chip, id: PciIdentity): Field[] => {
  const sizes = regionsOf(chip);
  return [
    [0x00, 2, id.vendor, 0],
    [0x02, 2, id.device, 0],
    // Writable: I/O, memory, bus master, parity, SERR; on PCI memory write and invalidate, on Express INTx disable.
    [COMMAND, 2, 0, isPci(chip) ? 0x0157 : 0x0547],
    // The function has capabilities; on PCI it also reports 66 MHz, fast back to back, and medium DEVSEL timing. Error
    // bits are cleared by writing ones.
    [STATUS, 2, isPci(chip) ? 0x02b0 : 0x0010, 0, 0xf900],
    [0x08, 1, id.revision, 0],
    [0x0a, 2, 0x0200, 0], // Ethernet controller
    [0x0c, 1, isPci(chip) ? 0 : 0x10, 0xff],
    [0x0d, 1, 0, isPci(chip) ? 0xf8 : 0],
    ...bar(0x10, 1, sizes[0]),
    ...bar(0x14, 0, sizes[1]),
    ...bar(0x18, MEMORY_64, sizes[2]),
    ...bar(0x20, MEMORY_64 | (chip.profile.function.prefetchable ? PREFETCHABLE : 0), sizes[4]),
    [0x2c, 2, id.subsystemVendor, 0],
    [0x2e, 2, id.subsystemDevice, 0],
    [0x3c, 1, 0, 0xff],
    [0x3d, 1, 1, 0], // INTA
    [0x3e, 2, isPci(chip) ? 0x4020 : 0, 0], // Min_Gnt and Max_Lat, in units of 250 ns
  ];
};

/** A capability. Offsets of its fields are relative to its start. */
interface Capability {
  readonly id: number;
  readonly at: number;
  readonly fields: readonly Field[];
}

/**
 * Supports D1 and D2, and PME from D1, D2, D3hot and D3cold. Version 3 of the capability also has PME from D0, and
 * preserves the function's state from D3hot to D0; version 2 does not.
 */
const power = ({ powerAt, keepsState }: PciFunction): Capability => ({
  id: 0x01,
  at: powerAt,
  fields: [
    [2, 2, keepsState ? 0xffc3 : 0xf7c2, 0],
    [4, 2, keepsState ? Pmcsr.noSoftReset : 0, Pmcsr.state | Pmcsr.enable, Pmcsr.status],
  ],
});

/** One vector, 64-bit addresses. */
const msi = ({ maskableMsi }: PciFunction): Capability => ({
  id: 0x05,
  at: 0x50,
  fields: [
    [2, 2, maskableMsi ? 0x0180 : 0x0080, 0x0001],
    [4, 4, 0, 0xffff_fffc],
    [8, 4, 0, 0xffff_ffff],
    [12, 2, 0, 0xffff],
    ...(maskableMsi
      ? ([
          [16, 4, 0, 1],
          [20, 4, 0, 0],
        ] as const)
      : []),
  ],
});

/** Endpoint, one lane, ASPM L0s and L1, clock power management. */
const express = ({ expressAt, expressVersion, linkSpeed, reportsLatency }: PciFunction): Capability => {
  const payload = Math.min(linkSpeed - 1, 2);
  const fields: Field[] = [
    [2, 2, 0x0200 | expressVersion, 0],
    [4, 4, 0x0000_8cc0 | payload, 0],
    [8, 2, 0x2810, 0x7fff],
    [10, 2, 0x0010, 0, 0x000f],
    [12, 4, 0x0047_7c10 | linkSpeed, 0],
    [16, 2, 0, 0x01fb],
    [18, 2, 0x1010 | linkSpeed, 0],
  ];
  if (expressVersion === 2)
    fields.push(
      [36, 4, 0x0000_001f | (reportsLatency ? 1 << 11 : 0), 0],
      [40, 2, 0, 0x047f],
      [44, 4, ((1 << (linkSpeed + 1)) - 2) & 0xfe, 0],
      [48, 2, linkSpeed, 0x001f],
    );
  return { id: 0x10, at: expressAt, fields };
};

const msix = ({ msixAt, msixVectors }: PciFunction): Capability => ({
  id: 0x11,
  at: msixAt,
  fields: [
    [2, 2, msixVectors - 1, 0xc000],
    [4, 4, 4, 0],
    [8, 4, MSIX_PENDING_AT | 4, 0],
  ],
});

/** Vital product data: a register with address and flag, and a data register. */
const productData = ({ productDataAt }: PciFunction): Capability => ({
  id: 0x03,
  at: productDataAt,
  fields: [
    [2, 2, 0, 0xffff],
    [4, 4, 0, 0xffff_ffff],
  ],
});

const offers = (pci: PciFunction, kind: InterruptKind, best: InterruptKind): boolean =>
  interruptKinds(pci).includes(kind) && INTERRUPT_KINDS.indexOf(kind) <= INTERRUPT_KINDS.indexOf(best);

const capabilitiesOf = (pci: PciFunction, best: InterruptKind): Capability[] => [
  power(pci),
  ...(offers(pci, "msi", best) ? [msi(pci)] : []),
  ...(pci.expressAt === 0 ? [] : [express(pci)]),
  ...(offers(pci, "msix", best) ? [msix(pci)] : []),
  productData(pci),
];

/** The model has no errors to report; masks and severities only keep the written values. */
const errorReporting: Capability = {
  id: 0x2_0001,
  at: 0x100,
  fields: [
    [8, 4, 0, 0x001f_f030],
    [12, 4, 0x0006_2030, 0x001f_f030],
    [20, 4, 0x2000, 0x31c1],
    [24, 4, 0xa0, 0x0140],
  ],
};

/** One channel for all traffic. */
const virtualChannel = (at: number): Capability => ({
  id: 0x1_0002,
  at,
  fields: [[0x14, 4, 0x8000_00ff, 0x0000_00fe]],
});

/** EUI-64 from the station address, least significant byte first (PCIe 3.0, 7.12.2). */
const serialNumber = (at: number, mac: Uint8Array): Capability => {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac;
  return {
    id: 0x1_0003,
    at,
    fields: [
      [4, 4, (f | (e << 8) | (d << 16) | (0xfe << 24)) >>> 0, 0],
      [8, 4, (0xff | (c << 8) | (b << 16) | (a << 24)) >>> 0, 0],
    ],
  };
};

const latencyTolerance = (at: number): Capability => ({
  id: 0x1_0018,
  at,
  fields: [
    [4, 2, 0, 0x1fff],
    [6, 2, 0, 0x1fff],
  ],
});

/**
 * L1 PM substates; all four are supported. The times are from the `lspci` listing of one card, and assumed for the
 * other chips.
 */
const substates = (at: number): Capability => ({
  id: 0x1_001e,
  at,
  fields: [
    [4, 4, 0x0078_961f, 0],
    [8, 4, 0, 0xe3ff_ff0f],
    [12, 4, 0x28, 0xfb],
  ],
});

const extendedOf = (pci: PciFunction, mac: Uint8Array): Capability[] => {
  if (pci.bus === "pci") return [];
  return [
    errorReporting,
    virtualChannel(pci.virtualChannelAt),
    serialNumber(pci.serialNumberAt, mac),
    ...(pci.latencyAt === 0 ? [] : [latencyTolerance(pci.latencyAt)]),
    ...(pci.substatesAt === 0 ? [] : [substates(pci.substatesAt)]),
  ];
};

/** Vendor registers that drivers set: ASPM entry latency (0x70f) and the ZRX-DC byte (0x890). */
const VENDOR: readonly Field[] = [
  [0x70c, 4, 0x2700_0000, 0xff00_0000],
  [0x890, 1, 1, 0xff],
];

/** Fields of a capability list: each header points to the next capability. */
const chain = (list: readonly Capability[], link: (id: number, next: number) => Field): Field[] =>
  list.flatMap(({ id, at, fields }, i) => {
    const all = [link(id, list[i + 1]?.at ?? 0), ...fields];
    return all.map(([offset, ...rest]): Field => [at + offset, ...rest]);
  });

/** Facts in which devices with the same chip may differ. */
export interface LayoutOptions {
  readonly identity: PciIdentity;
  readonly mac: Uint8Array;
  /** The best kind of interrupt that gets a capability; default: the best that the chip has. */
  readonly interrupts?: InterruptKind | undefined;
}

/** All fields of a chip's configuration space, except those that always read 0. */
export const layoutOf = (chip: Chip, { identity, mac, interrupts = "msix" }: LayoutOptions): readonly Field[] => {
  const capabilities = capabilitiesOf(chip.profile.function, interrupts);
  return [
    ...header(chip, identity),
    [0x34, 1, capabilities[0]!.at, 0],
    ...chain(capabilities, (cap, next) => [0, 2, cap | (next << 8), 0]),
    ...chain(extendedOf(chip.profile.function, mac), (cap, next) => [0, 4, (cap | (next << 20)) >>> 0, 0]),
    ...(isPci(chip) ? [] : VENDOR),
  ];
};
