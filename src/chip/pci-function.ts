/**
 * How each die appears on the PCI bus: register windows, interrupt vectors, and offsets of its capabilities in
 * configuration space.
 *
 * Sources: public `lspci -vv` listings of some chips. For the other chips, and for facts that a listing does not show,
 * the values of the adjacent chips are assumed. No listing shows function-level reset (FLReset+), so a chip is reset by
 * a reset of the bus, or by entering and leaving D3hot.
 */

/** Offsets are from the start of configuration space; 0 if the function does not have the capability. */
export interface PciFunction {
  readonly bus: "pci" | "pcie";
  /** Size of the register window, in bytes. */
  readonly windowBytes: 256 | 4096 | 65536;
  /** The BAR of the memory-mapped registers. */
  readonly registersBar: 1 | 2;
  /** Entries of the MSI-X table; 0 if the function has no MSI-X. */
  readonly msixVectors: number;
  /** The BAR of the MSI-X table, if there is one, is prefetchable. */
  readonly prefetchable: boolean;
  /** MSI has per-vector masking. */
  readonly maskableMsi: boolean;
  readonly powerAt: number;
  /**
   * The power management capability has version 3 and sets No_Soft_Reset, so registers keep their values in the
   * transition from D3hot to D0.
   */
  readonly keepsState: boolean;
  readonly expressAt: number;
  /** Version of the Express capability. */
  readonly expressVersion: 0 | 1 | 2;
  /** Link speed as encoded in the capability: 1 to 4 for 2.5, 5, 8, 16 GT/s. */
  readonly linkSpeed: 0 | 1 | 2 | 3 | 4;
  /** Latency tolerance reporting is supported (DeviceCapabilities2). */
  readonly reportsLatency: boolean;
  readonly msixAt: number;
  readonly productDataAt: number;
  readonly virtualChannelAt: number;
  readonly serialNumberAt: number;
  readonly latencyAt: number;
  /** Offset of the capability of L1 substates. */
  readonly substatesAt: number;
}

/** Interrupt types, the best one last. Every function has INTx. */
export const INTERRUPT_KINDS = ["intx", "msi", "msix"] as const;
export type InterruptKind = (typeof INTERRUPT_KINDS)[number];

/** The interrupt types of a function. PCI chips have no MSI, and chips before the RTL8168C and 8102E have no MSI-X. */
export const interruptKinds = ({ expressAt, msixAt }: PciFunction): readonly InterruptKind[] =>
  INTERRUPT_KINDS.filter((kind) => kind === "intx" || (kind === "msi" ? expressAt !== 0 : msixAt !== 0));

export const PCI: PciFunction = {
  bus: "pci",
  windowBytes: 256,
  registersBar: 1,
  msixVectors: 0,
  prefetchable: false,
  maskableMsi: false,
  powerAt: 0xdc,
  keepsState: false,
  expressAt: 0,
  expressVersion: 0,
  linkSpeed: 0,
  reportsLatency: false,
  msixAt: 0,
  productDataAt: 0x60,
  virtualChannelAt: 0,
  serialNumberAt: 0,
  latencyAt: 0,
  substatesAt: 0,
};

/** RTL8168B, 8101E and 8401. */
export const EXPRESS_8168B: PciFunction = {
  bus: "pcie",
  windowBytes: 4096,
  registersBar: 2,
  msixVectors: 0,
  prefetchable: true,
  maskableMsi: false,
  powerAt: 0x40,
  keepsState: false,
  expressAt: 0x60,
  expressVersion: 1,
  linkSpeed: 1,
  reportsLatency: false,
  msixAt: 0,
  productDataAt: 0x48,
  virtualChannelAt: 0x140,
  serialNumberAt: 0x160,
  latencyAt: 0,
  substatesAt: 0,
};

/** RTL8168C and 8102E. */
export const EXPRESS_8168C: PciFunction = {
  ...EXPRESS_8168B,
  msixVectors: 2,
  keepsState: true,
  expressAt: 0x70,
  msixAt: 0xb0,
  productDataAt: 0xd0,
};

/** RTL8168D and 8168DP: the MSI-X and product data capabilities start four bytes lower than on adjacent chips. */
export const EXPRESS_8168D: PciFunction = {
  ...EXPRESS_8168C,
  msixVectors: 4,
  expressVersion: 2,
  msixAt: 0xac,
  productDataAt: 0xcc,
};

/** RTL8168E to 8168F, and the 810x chips of the same generation. */
export const EXPRESS_8168E: PciFunction = { ...EXPRESS_8168D, msixAt: 0xb0, productDataAt: 0xd0 };

export const EXPRESS_8168G: PciFunction = { ...EXPRESS_8168E, reportsLatency: true, latencyAt: 0x170 };

/** RTL8168H, 8168EP, 8117. */
export const EXPRESS_8168H: PciFunction = { ...EXPRESS_8168G, prefetchable: false, substatesAt: 0x178 };

export const EXPRESS_8125A: PciFunction = {
  ...EXPRESS_8168H,
  windowBytes: 65536,
  maskableMsi: true,
  linkSpeed: 2,
  virtualChannelAt: 0x148,
  serialNumberAt: 0x168,
  latencyAt: 0x204,
  substatesAt: 0x20c,
};
export const EXPRESS_8125B: PciFunction = { ...EXPRESS_8125A, msixVectors: 32 };
export const EXPRESS_8126: PciFunction = { ...EXPRESS_8125B, linkSpeed: 3 };
export const EXPRESS_8127: PciFunction = { ...EXPRESS_8125B, linkSpeed: 4 };
