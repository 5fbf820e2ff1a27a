/**
 * Why our driver leaves other values than Linux's r8169, by name. A row has ours, in the notation of the recordings: `0xd420=45f`, or
 * `0x78=0/f` where only the bits after the slash differ. So a word of ours that changes is a difference that nothing explains.
 */
import type { ChipKey } from "#chip/chips.ts";
import type { Space } from "#model/observation/state.ts";
import { BOTH_LANES, REALTEKS, SECOND_8168H } from "./explained-values.ts";
import type { Moment } from "./snapshot.ts";

export interface Row {
  readonly space: Space;
  readonly words: string;
  /** All chips unless given; each of them must have one of the differences. */
  readonly on?: readonly ChipKey[];
  /** All unless given. */
  readonly at?: readonly Moment[];
}

export interface Cause {
  readonly name: string;
  readonly because: string;
  readonly rows: readonly Row[];
}

const RUNNING: readonly Moment[] = ["up", "mtu", "back"];
const STOPPED: readonly Moment[] = ["closed", "removed"];
const STARTED: readonly Moment[] = [...RUNNING, ...STOPPED];

// prettier-ignore
// oxfmt-ignore
export const CAUSES: readonly Cause[] = [
  {
    name: "the system's share",
    because: "The kernel and the bus set these up around a driver: decoding, memory write and invalidate, cache line, error reports, INTx off, MSI-X on. On the rig nothing does.",
    rows: [{ space: "config", words: "0x4=0/511 0xc=0 0x68=0/6f 0x78=0/6f 0xae=0/8000 0xb2=0/8000 0x114=2000" }],
  },
  {
    name: "start at up",
    because: "Linux resets the chip at probe, takes the MAC from the management firmware and powers the PHY down. Ours does so at `up`.",
    rows: [
      {
        space: "registers",
        words: "CPlusCmd=0 MCU=b2 RxConfig=0 PHYstatus=13 PHYstatus=b PHYstatus16=13 PHYstatus16=403 PHYstatus16=1003 PHYstatus16=4003",
        at: ["probed"],
      },
      { space: "macOcp", words: "0xc01e=0 0xc0a6=0 0xc0aa=0 0xe8de=0", at: ["probed"] },
      { space: "phy", words: "0x0=0/800 0xa400=0/800", at: ["probed"] },
      { space: "eri", words: "0xf0=0 0xf4=0", at: ["probed"] },
    ],
  },
  {
    name: "power of a closed chip",
    because: "What still draws power when the interface is closed is set as in Realtek's drivers; Linux does it for each generation in its own way (PLL in D3, PHY of the first chips left on).",
    rows: [
      { space: "registers", words: "PMCH=0" },
      { space: "phy", words: "0xe=0" },
      { space: "ephy", words: "0x19=fe6c", at: STOPPED },
      { space: "phy", words: "0x0=800/800", at: STOPPED },
      { space: "registers", words: "PHYstatus=0", at: STOPPED },
    ],
  },
  {
    name: "speed bits beside autonegotiation",
    because: "BMCR's speed and duplex mean nothing while autonegotiation is on (IEEE 802.3, 22.2.4.1). Linux leaves what the reset set, ours writes 0.",
    rows: [{ space: "phy", words: "0x0=0/2140 0xa400=0/2140" }],
  },
  {
    name: "half duplex at 1000 Mbit/s",
    because: "Linux offers it on chips before the 8168G. No partner is left that has it, and ours does not offer it.",
    rows: [{ space: "phy", words: "0x9=0/100", at: STARTED }],
  },
  {
    name: "clause 45 through registers 13 and 14",
    because: "Linux's PHY layer asks for EEE there, which shows it that these PHYs have no such access.",
    rows: [{ space: "phy", words: "0xd=0/4003 0xe=0/14 0xa41a=0 0xa41c=0" }],
  },
  {
    name: "pause after jumbo frames",
    because: "Neither offers pause while the MTU is above 1500. Linux does not offer it afterwards either, ours does again.",
    rows: [
      { space: "phy", words: "0x4=c00/c00 0xa408=c00/c00", at: ["back", ...STOPPED] },
      { space: "registers", words: "PHYstatus=60/60 PHYstatus16=60/60", at: ["back"] },
    ],
  },
  {
    name: "bus errors are reported",
    because: "SYSErr (bit 15) is in our mask: the chip has stopped and is restarted. Linux waits for a time-out.",
    rows: [{ space: "registers", words: "IntrMask=8000/8000 IMR0=8000/8000", at: RUNNING }],
  },
  {
    name: "the receive limit is the buffer",
    because: "Our buffers are as large as the MTU needs and RxMaxSize has their size. Linux's always take 16 KiB.",
    rows: [
      { space: "registers", words: "RxMaxSize=800" },
      { space: "registers", words: "RxMaxSize=1000 RxMaxSize=1800 RxMaxSize=1c00 RxMaxSize=2400", at: ["mtu"] },
    ],
  },
  {
    name: "CPlusCmd bit 13",
    because: "Realtek's drivers set it (0x2060), Linux does not. Its meaning is not public.",
    rows: [{ space: "registers", words: "CPlusCmd=2000/2000", at: RUNNING }],
  },
  {
    name: "addresses of 64 bits",
    because: "The rig's memory is above 4 GiB, the guest's below: PCI chips are told (CPlusCmd bit 4).",
    rows: [{ space: "registers", words: "CPlusCmd=10/10", at: RUNNING }],
  },
  {
    name: "VLAN tags of the 8110SC",
    because: "Ours has the chip take the tags out (CPlusCmd bit 6), as on all others; Linux leaves that off there.",
    rows: [{ space: "registers", words: "CPlusCmd=40/40", on: ["rtl8169sc-180"], at: RUNNING }],
  },
  {
    name: "EEE",
    because: "Our driver does not offer energy-efficient Ethernet yet: PHY, MAC and idle timer are left off.",
    rows: [
      { space: "phy", words: "0xa432=0/10 0xa428=0/80 0xa4a2=0/200" },
      { space: "clause45", words: "0x7003c=0" },
      { space: "eri", words: "0x1b0=0/3" },
      { space: "macOcp", words: "0xe040=0/3 0xe048=0 0xeb62=0/6" },
      { space: "registers", words: "EEE_TXIDLE_TIMER=0" },
    ],
  },
  {
    name: "ASPM",
    because: "Events that leave L1: Linux sets them while the interface is up, in extended register 0xd4 and from the 8168G on in MAC-OCP 0xc0ac; Realtek's drivers for good, and in 0xd4 up to the 8168FP.",
    rows: [
      { space: "macOcp", words: "0xc0ac=0", at: RUNNING },
      { space: "macOcp", words: "0xc0ac=1f80", at: STOPPED },
      { space: "eri", words: "0xd4=1f80/1f80" },
      { space: "eri", words: "0xd4=1f00 0xd4=e00 0xd4=c00", at: STOPPED },
    ],
  },
  {
    name: "long counters",
    because: "Linux has the chip count in the long form (MAC-OCP 0xea84). Ours does so for each dump.",
    rows: [{ space: "macOcp", words: "0xea84=0" }],
  },
  {
    name: "management firmware",
    because: "Linux tells the management firmware (DASH) that a driver comes and goes. Ours does not yet.",
    rows: [
      { space: "management", words: "0x10=0 0x14=0 0x30=0 0x180=0" },
      { space: "eri", words: "0xe8=0", on: ["rtl8168dp-28a", "rtl8168dp-28b"] },
    ],
  },
  {
    name: "parameter 0x8011",
    because: "Realtek's source sets bit 11 of the PHY's parameter 0x8011. Linux has the address without its first digit, 0x811.",
    rows: [{ space: "phyMemory", words: "0x811=0 0x8011=8", on: ["rtl8168h", "rtl8107e", "rtl8168m"] }],
  },
  {
    name: "second copy of the address",
    because: "The 8168E has it in SecMAC as well, which Realtek's drivers fill in.",
    rows: [{ space: "registers", words: "SecMAC0=2 SecMAC4=100", on: ["rtl8168e-2c0", "rtl8168e-2c1"] }],
  },
  {
    name: "RTL8211 at 100 Mbit/s",
    because: "Linux's PHY layer writes register 0x17 of this PHY before it negotiates, for the sake of a forced 100 Mbit/s.",
    rows: [{ space: "phy", words: "0x17=0", on: ["rtl8169s", "rtl8110s"] }],
  },
  {
    name: "steppings that Linux does not tell apart",
    because: "Realtek starts the two later steppings of the 8168H in their own way (DPDK `rtl8168h.c`, methods 35 and 36), Linux as the first one.",
    rows: SECOND_8168H,
  },
  {
    name: "package of the RTL8117",
    because: "Realtek reads the package off the chip and chooses by it. Linux writes the values of package 15 on all.",
    rows: [
      { space: "eri", words: "0x5f0=4000", on: ["rtl8117-54a", "rtl8117-54b"] },
      { space: "macOcp", words: "0xe052=0 0xea80=0", on: ["rtl8117-54a", "rtl8117-54b"] },
    ],
  },
  {
    name: "EPHY numbers above 31",
    because: "Realtek writes both lanes of the PCIe PHY, at 6 and 7 bits of number. Linux writes 5 bits, and a chip takes a number above 31 for a lower one too.",
    rows: BOTH_LANES,
  },
  {
    name: "Realtek's values",
    because: "Realtek's own drivers (for DPDK and FreeBSD, cited in `src/chip/start`) and Linux's write different words, and what the bits do is not public. Ours are Realtek's.",
    rows: REALTEKS,
  },
];
