/**
 * Every chip of the family, as data. The PCI id does not identify a chip; bits 31:20 of TxConfig (the "XID") do.
 *
 * Order matters, because the first matching row is the chip. A row matches if `(xid & row.mask) === row.xid` and its
 * further conditions (`only`) hold.
 * Sources: Realtek's numbering as used by DPDK `drivers/net/r8169` and FreeBSD `sys/dev/re`; rows missing in both are
 * from Linux's log messages on real cards.
 */
import { type Aspm, aspmOf } from "./aspm.ts";
import { type Die, PROFILES } from "./profiles.ts";
import type { Profile } from "./profile.ts";
import { STARTS } from "./starts.ts";
import type { Start } from "./steps.ts";

interface Row {
  /** The chip's name on the command line. Unique; an `x` stands for a digit that the row's mask ignores. */
  readonly key: string;
  /** The name that Realtek and the kernel's log use. */
  readonly name: string;
  readonly mask: number;
  readonly xid: number;
  /** Conditions besides the XID; those that are absent are not checked. */
  readonly only?: {
    readonly device?: number;
    /** Bits 30:0 of TxConfigV2. */
    readonly extended?: number;
    /** The bits under `mask` that a register of the MAC controller must have. */
    readonly macOcp?: readonly (readonly [address: number, mask: number, value: number])[];
  };
  readonly die: Die;
  /** PCI device and revision that the chip reports. */
  readonly pci: readonly [device: number, revision: number];
  /** Highest speed, Mbit/s. */
  readonly speed: number;
  /** Highest MTU, in bytes (layer 3). */
  readonly largestMtu: number;
  /** `intx` if the chip has no MSI, or loses MSI interrupts (quirk `brokenMsi`). */
  readonly interrupts: "intx" | "msi";
  /** Firmware file; undefined if the chip needs none. */
  readonly firmware: string | undefined;
}

export interface Chip extends Row {
  readonly bus: "pci" | "pcie";
  readonly profile: Profile;
  /** Undefined if no driver enables ASPM on this chip. */
  readonly aspm: Aspm | undefined;
  /** Start-up values of MAC and PHY. */
  readonly start: Start;
}

// prettier-ignore
// oxfmt-ignore
const ROWS = [
  { key: "rtl9151as",     name: "RTL9151AS",           mask: 0x7cf, xid: 0x7c8, die: "8125d",       pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl9151a-1.fw", only: { extended: 0 } },
  { key: "rtl8127a",      name: "RTL8127A",            mask: 0x7cf, xid: 0x6c9, die: "8127",        pci: [0x8127, 0x05], speed: 10000, largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8127a-1.fw" },
  { key: "rtl8126a-64a",  name: "RTL8126A",            mask: 0x7cf, xid: 0x64a, die: "8126",        pci: [0x8126, 0x01], speed: 5000,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8126a-3.fw" },
  { key: "rtl8126a-649",  name: "RTL8126A",            mask: 0x7cf, xid: 0x649, die: "8126",        pci: [0x8126, 0x01], speed: 5000,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8126a-2.fw" },
  { key: "rtl8125bp",     name: "RTL8125BP",           mask: 0x7cf, xid: 0x681, die: "8125bp",      pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125bp-2.fw" },
  { key: "rtl8125cp",     name: "RTL8125CP",           mask: 0x7cf, xid: 0x708, die: "8125cp",      pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125cp-1.fw" },
  { key: "rtl9151a",      name: "RTL9151A",            mask: 0x7cf, xid: 0x68b, die: "8125d",       pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl9151a-1.fw" },
  { key: "rtl8125k",      name: "RTL8125K",            mask: 0x7cf, xid: 0x68a, die: "8125d",       pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125k-1.fw" },
  { key: "rtl8168kd",     name: "RTL8168KD",           mask: 0x7cf, xid: 0x689, die: "8125d",       pci: [0x8162, 0x05], speed: 1000,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125d-2.fw", only: { device: 0x8162 } },
  { key: "rtl8125d-689",  name: "RTL8125D",            mask: 0x7cf, xid: 0x689, die: "8125d",       pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125d-2.fw" },
  { key: "rtl8125d-688",  name: "RTL8125D",            mask: 0x7cf, xid: 0x688, die: "8125d",       pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125d-1.fw" },
  { key: "rtl8168kb",     name: "RTL8168KB",           mask: 0x7cf, xid: 0x641, die: "8125b",       pci: [0x8162, 0x05], speed: 1000,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125b-2.fw", only: { device: 0x8162 } },
  { key: "rtl8125b",      name: "RTL8125B",            mask: 0x7cf, xid: 0x641, die: "8125b",       pci: [0x8125, 0x05], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125b-2.fw" },
  { key: "rtl8168kb-609", name: "RTL8168KB",           mask: 0x7cf, xid: 0x609, die: "8125a",       pci: [0x8162, 0x01], speed: 1000,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125a-3.fw", only: { device: 0x8162 } },
  { key: "rtl8125a",      name: "RTL8125A",            mask: 0x7cf, xid: 0x609, die: "8125a",       pci: [0x8125, 0x01], speed: 2500,  largestMtu: 16362, interrupts: "msi",  firmware: "rtl_nic/rtl8125a-3.fw" },
  { key: "rtl8117-54b",   name: "RTL8168fp/RTL8117",   mask: 0x7cf, xid: 0x54b, die: "8168ep",      pci: [0x8168, 0x1b], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8117-54a",   name: "RTL8168fp/RTL8117",   mask: 0x7cf, xid: 0x54a, die: "8168ep",      pci: [0x8168, 0x1a], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168fp-3.fw" },
  { key: "rtl8168ep",     name: "RTL8168ep/8111ep",    mask: 0x7cf, xid: 0x502, die: "8168ep",      pci: [0x8168, 0x0e], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8107e",      name: "RTL8107e",            mask: 0x7cf, xid: 0x541, die: "8168h",       pci: [0x8136, 0x15], speed: 100,   largestMtu: 1500,  interrupts: "msi",  firmware: "rtl_nic/rtl8107e-2.fw", only: { device: 0x8136 } },
  { key: "rtl8116af",     name: "RTL8116af",           mask: 0x7cf, xid: 0x541, die: "8116af",      pci: [0x8168, 0x15], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168h-2.fw", only: { macOcp: [[0xdc00, 0x78, 0x30], [0xd006, 0xff, 0x00]] } },
  { key: "rtl8168h-100",  name: "RTL8168h/8111h",      mask: 0x7cf, xid: 0x541, die: "8168h",       pci: [0x8168, 0x15], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168h-2.fw", only: { macOcp: [[0xd006, 0xff00, 0x0100]] } },
  { key: "rtl8168h-300",  name: "RTL8168h/8111h",      mask: 0x7cf, xid: 0x541, die: "8168h",       pci: [0x8168, 0x15], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168h-2.fw", only: { macOcp: [[0xd006, 0xff00, 0x0300]] } },
  { key: "rtl8168h",      name: "RTL8168h/8111h",      mask: 0x7cf, xid: 0x541, die: "8168h",       pci: [0x8168, 0x15], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168h-2.fw" },
  { key: "rtl8168m",      name: "RTL8168M",            mask: 0x7cf, xid: 0x6c0, die: "8168h",       pci: [0x8161, 0x15], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168h-2.fw" },
  { key: "rtl8411b",      name: "RTL8411b",            mask: 0x7cf, xid: 0x5c8, die: "8168g",       pci: [0x8168, 0x12], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8411-2.fw" },
  { key: "rtl8106eus",    name: "RTL8106eus",          mask: 0x7cf, xid: 0x509, die: "8168g",       pci: [0x8136, 0x10], speed: 100,   largestMtu: 1500,  interrupts: "msi",  firmware: "rtl_nic/rtl8106e-2.fw", only: { device: 0x8136 } },
  { key: "rtl8168gu",     name: "RTL8168gu/8111gu",    mask: 0x7cf, xid: 0x509, die: "8168g",       pci: [0x8168, 0x10], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168g-3.fw" },
  { key: "rtl8168g",      name: "RTL8168g/8111g",      mask: 0x7cf, xid: 0x4c0, die: "8168g",       pci: [0x8168, 0x0c], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168g-2.fw" },
  { key: "rtl8411",       name: "RTL8411",             mask: 0x7c8, xid: 0x488, die: "8168f",       pci: [0x8168, 0x0a], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8411-1.fw" },
  { key: "rtl8168f-481",  name: "RTL8168f/8111f",      mask: 0x7cf, xid: 0x481, die: "8168f",       pci: [0x8168, 0x09], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168f-2.fw" },
  { key: "rtl8168f-480",  name: "RTL8168f/8111f",      mask: 0x7cf, xid: 0x480, die: "8168f-480",   pci: [0x8168, 0x09], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168f-1.fw" },
  { key: "rtl8168evl",    name: "RTL8168evl/8111evl",  mask: 0x7c8, xid: 0x2c8, die: "8168evl",     pci: [0x8168, 0x06], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168e-3.fw" },
  { key: "rtl8168e-2c1",  name: "RTL8168e/8111e",      mask: 0x7cf, xid: 0x2c1, die: "8168e",       pci: [0x8168, 0x06], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168e-1.fw" },
  { key: "rtl8168e-2c0",  name: "RTL8168e/8111e",      mask: 0x7c8, xid: 0x2c0, die: "8168e",       pci: [0x8168, 0x06], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168e-2.fw" },
  { key: "rtl8168d-281",  name: "RTL8168d/8111d",      mask: 0x7cf, xid: 0x281, die: "8168d-281",   pci: [0x8168, 0x03], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168d-1.fw" },
  { key: "rtl8168d-280",  name: "RTL8168d/8111d",      mask: 0x7c8, xid: 0x280, die: "8168d-280",   pci: [0x8168, 0x03], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: "rtl_nic/rtl8168d-2.fw" },
  { key: "rtl8168dp-28a", name: "RTL8168dp/8111dp",    mask: 0x7cf, xid: 0x28a, die: "8168dp-28a",  pci: [0x8168, 0x04], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168dp-28b", name: "RTL8168dp/8111dp",    mask: 0x7cf, xid: 0x28b, die: "8168dp-28b",  pci: [0x8168, 0x04], speed: 1000,  largestMtu: 9194,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168cp-3c9", name: "RTL8168cp/8111cp",    mask: 0x7cf, xid: 0x3c9, die: "8168c",       pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168cp-3c8", name: "RTL8168cp/8111cp",    mask: 0x7cf, xid: 0x3c8, die: "8168cp-3c8",  pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168cp-3cx", name: "RTL8168cp/8111cp",    mask: 0x7c8, xid: 0x3c8, die: "8168c",       pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168c-3c0",  name: "RTL8168c/8111c",      mask: 0x7cf, xid: 0x3c0, die: "8168c",       pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168c-3c2",  name: "RTL8168c/8111c",      mask: 0x7cf, xid: 0x3c2, die: "8168c",       pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168c-3c3",  name: "RTL8168c/8111c",      mask: 0x7cf, xid: 0x3c3, die: "8168c",       pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168c-3cx",  name: "RTL8168c/8111c",      mask: 0x7c8, xid: 0x3c0, die: "8168c",       pci: [0x8168, 0x02], speed: 1000,  largestMtu: 6122,  interrupts: "msi",  firmware: undefined },
  { key: "rtl8168b",      name: "RTL8168b/8111b",      mask: 0x7c8, xid: 0x380, die: "8168b",       pci: [0x8168, 0x01], speed: 1000,  largestMtu: 4074,  interrupts: "intx", firmware: undefined },
  { key: "rtl8106e",      name: "RTL8106e",            mask: 0x7c8, xid: 0x448, die: "8106",        pci: [0x8136, 0x07], speed: 100,   largestMtu: 1500,  interrupts: "msi",  firmware: "rtl_nic/rtl8106e-1.fw" },
  { key: "rtl8402",       name: "RTL8402",             mask: 0x7c8, xid: 0x440, die: "8402",        pci: [0x8136, 0x06], speed: 100,   largestMtu: 1500,  interrupts: "msi",  firmware: "rtl_nic/rtl8402-1.fw" },
  { key: "rtl8105e-409",  name: "RTL8105e",            mask: 0x7cf, xid: 0x409, die: "8105",        pci: [0x8136, 0x05], speed: 100,   largestMtu: 1500,  interrupts: "msi",  firmware: "rtl_nic/rtl8105e-1.fw" },
  { key: "rtl8105e-408",  name: "RTL8105e",            mask: 0x7c8, xid: 0x408, die: "8105",        pci: [0x8136, 0x05], speed: 100,   largestMtu: 1500,  interrupts: "msi",  firmware: "rtl_nic/rtl8105e-1.fw" },
  { key: "rtl8102e-349",  name: "RTL8102e",            mask: 0x7cf, xid: 0x349, die: "8102",        pci: [0x8136, 0x02], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8102e-249",  name: "RTL8102e",            mask: 0x7cf, xid: 0x249, die: "8102",        pci: [0x8136, 0x02], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8102e-348",  name: "RTL8102e",            mask: 0x7cf, xid: 0x348, die: "8102",        pci: [0x8136, 0x02], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8102e-248",  name: "RTL8102e",            mask: 0x7cf, xid: 0x248, die: "8102",        pci: [0x8136, 0x02], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8401",       name: "RTL8401",             mask: 0x7cf, xid: 0x240, die: "8401",        pci: [0x8136, 0x01], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8102e-34x",  name: "RTL8102e/RTL8103e",   mask: 0x7c8, xid: 0x348, die: "8102",        pci: [0x8136, 0x02], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8102e-24x",  name: "RTL8102e/RTL8103e",   mask: 0x7c8, xid: 0x248, die: "8102",        pci: [0x8136, 0x02], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8101e",      name: "RTL8101e/RTL8100e",   mask: 0x7c8, xid: 0x340, die: "8101",        pci: [0x8136, 0x01], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
  { key: "rtl8169sc-980", name: "RTL8169sc/8110sc",    mask: 0xfc8, xid: 0x980, die: "8169",        pci: [0x8167, 0x10], speed: 1000,  largestMtu: 7146,  interrupts: "intx", firmware: undefined },
  { key: "rtl8169sc-180", name: "RTL8169sc/8110sc",    mask: 0xfc8, xid: 0x180, die: "8169",        pci: [0x8167, 0x10], speed: 1000,  largestMtu: 7146,  interrupts: "intx", firmware: undefined },
  { key: "rtl8169sb",     name: "RTL8169sb/8110sb",    mask: 0xfc8, xid: 0x100, die: "8169",        pci: [0x8169, 0x10], speed: 1000,  largestMtu: 7146,  interrupts: "intx", firmware: undefined },
  { key: "rtl8110s",      name: "RTL8110s",            mask: 0xfc8, xid: 0x040, die: "8169s",       pci: [0x8169, 0x10], speed: 1000,  largestMtu: 7146,  interrupts: "intx", firmware: undefined },
  { key: "rtl8169s",      name: "RTL8169s",            mask: 0xfc8, xid: 0x008, die: "8169s",       pci: [0x8169, 0x10], speed: 1000,  largestMtu: 7146,  interrupts: "intx", firmware: undefined },
] as const satisfies readonly Row[];
export type ChipKey = (typeof ROWS)[number]["key"];

const withProfile = <R extends Row>(row: R): R & Chip => {
  const profile: Profile = PROFILES[row.die];
  const start = STARTS[row.key as keyof typeof STARTS];
  return { ...row, bus: profile.function.bus, profile, aspm: aspmOf(row.key, row.die), start };
};
export const CHIPS: readonly (Chip & { readonly key: ChipKey })[] = ROWS.map(withProfile);

/**
 * The family's predecessor: a Fast Ethernet chip that already has the descriptors and rings of the later chips. The
 * driver supports it. This project has no model of it, because QEMU has one. (FreeBSD if_rlreg.h, RL_HWREV_8139CPLUS.)
 */
// prettier-ignore
// oxfmt-ignore
export const LEGACY_CHIPS: readonly Chip[] = ([
  { key: "rtl8139cp",     name: "RTL8139C+",           mask: 0xfcf, xid: 0x748, die: "8139cp",      pci: [0x8139, 0x20], speed: 100,   largestMtu: 1500,  interrupts: "intx", firmware: undefined },
] as const satisfies readonly Row[]).map(withProfile);

/**
 * What a driver knows about a card besides its XID. Registers are read only if a row with that XID requires it, because
 * other chips may not have them, and because a window of 256 bytes ends before TxConfigV2. A row that requires a clue
 * does not match if the clue is missing.
 */
export interface Clues {
  /** PCI device id. */
  readonly device?: number;
  /** Reads TxConfigV2. */
  readonly extended?: () => number;
  /** Reads a register of the MAC controller. */
  readonly macOcp?: (address: number) => number;
}

const fits = ({ only = {} }: Chip, { device, extended, macOcp }: Clues): boolean =>
  (only.device === undefined || only.device === device) &&
  (only.extended === undefined || (extended !== undefined && only.extended === (extended() & 0x7fff_ffff))) &&
  (only.macOcp ?? []).every(([address, mask, value]) => macOcp !== undefined && (macOcp(address) & mask) === value);

/** The chip with this identification, or undefined if the table has no matching row. */
export const chipOf = (xid: number, clues: Clues = {}): Chip | undefined =>
  [...CHIPS, ...LEGACY_CHIPS].find((row: Chip) => (xid & row.mask) === row.xid && fits(row, clues));

/** Bits of an XID that distinguish steppings of one chip. */
const STEPPING = 7;

/**
 * The chip to assume for a stepping that the table does not list: among the chips whose XID differs only in the
 * stepping, the one with the nearest stepping, or the older one of two that are equally near. DPDK and Realtek's own
 * drivers do the same. Undefined if there is no such chip. Chips whose identification requires other registers are not
 * candidates, because an unknown chip may not have those registers.
 */
export const nearestChip = (xid: number, device?: number): Chip | undefined => {
  const distance = (row: Chip): number => Math.abs((xid & STEPPING) - (row.xid & STEPPING));
  const related = (CHIPS as readonly Chip[]).filter(
    (row) =>
      ((xid ^ row.xid) & row.mask & ~STEPPING) === 0 &&
      row.only?.extended === undefined &&
      row.only?.macOcp === undefined &&
      (row.only?.device ?? device) === device,
  );
  const [nearest] = related.toSorted(
    (a, b) => distance(a) - distance(b) || Number(a.only === undefined) - Number(b.only === undefined) || a.xid - b.xid,
  );
  return nearest;
};

/** The XID that logs of these chips show most often, if it is not the lowest XID that matches the row. */
const COMMON: Readonly<Record<string, number>> = {
  rtl8106e: 0x449,
  "rtl8168d-280": 0x283,
  "rtl8168e-2c0": 0x2c2,
  rtl8168evl: 0x2c9,
};

/**
 * The chip's XID: the one in `COMMON` if the chip is listed there, otherwise the lowest XID for which this row is the
 * first that matches.
 */
export const xidOf = (chip: Chip): number => {
  const common = COMMON[chip.key];
  if (common !== undefined) return common;
  if (chip.only !== undefined) return chip.xid;
  for (let stepping = 0; stepping <= (STEPPING & ~chip.mask); stepping++)
    if (chipOf(chip.xid | stepping)?.key === chip.key) return chip.xid | stepping;
  return chip.xid;
};

/** The chip with this key, or undefined. */
export const chipNamed = (key: string): Chip | undefined => CHIPS.find((row) => row.key === key);

/**
 * PCI ids of the family: vendor and device; two entries also have a subsystem. Device 0x8139 before revision 0x20 has
 * no descriptors and is not part of the family.
 */
export const PCI_IDS = [
  { vendor: 0x10ec, device: 0x8139, oldestRevision: 0x20 },
  { vendor: 0x10ec, device: 0x2502 },
  { vendor: 0x10ec, device: 0x2600 },
  { vendor: 0x10ec, device: 0x8129 },
  { vendor: 0x10ec, device: 0x8136 },
  { vendor: 0x10ec, device: 0x8161 },
  { vendor: 0x10ec, device: 0x8162 },
  { vendor: 0x10ec, device: 0x8167 },
  { vendor: 0x10ec, device: 0x8168 },
  { vendor: 0x10ec, device: 0x8169 },
  { vendor: 0x10ec, device: 0x8125 },
  { vendor: 0x10ec, device: 0x8126 },
  { vendor: 0x10ec, device: 0x8127 },
  { vendor: 0x10ec, device: 0x3000 },
  { vendor: 0x10ec, device: 0x5000 },
  { vendor: 0x10ec, device: 0x0e10 },
  { vendor: 0x10ff, device: 0x8168 },
  { vendor: 0x1186, device: 0x4300 },
  { vendor: 0x1186, device: 0x4302 },
  { vendor: 0x1259, device: 0xc107 },
  { vendor: 0x16ec, device: 0x0116 },
  { vendor: 0x1737, device: 0x1032, subsystemDevice: 0x0024 },
  { vendor: 0x0001, device: 0x8168, subsystemDevice: 0x2410 },
] as const;
