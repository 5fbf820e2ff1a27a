/**
 * Named reasons for values that differ from Linux's r8169. A row has our values, in the notation of the recordings:
 * `0xd420=45f`, or `0x78=0/f` where only the bits after the slash differ. So a change of our value becomes an
 * unexplained difference.
 */
import type { ChipKey } from "#chip/chips.ts";
import type { Space } from "#model/observation/state.ts";
import { AT_D3E2, BOTH_LANES, REALTEKS, SECOND_8168H } from "./explained-values.ts";
import type { Moment } from "./snapshot.ts";

export interface Row {
  readonly space: Space;
  readonly words: string;
  /** Chips to which the row applies; default: all. The row must explain a difference on each of them. */
  readonly on?: readonly ChipKey[];
  /** Moments to which the row applies; default: all. */
  readonly at?: readonly Moment[];
}

export interface Cause {
  readonly name: string;
  readonly because: string;
  readonly rows: readonly Row[];
}

const RTL8168H: readonly ChipKey[] = ["rtl8168h", "rtl8168h-100", "rtl8168h-300", "rtl8168m", "rtl8107e"];
const RUNNING: readonly Moment[] = ["up", "mtu", "back", "resumed"];
const STOPPED: readonly Moment[] = ["closed", "removed"];
const ASLEEP: readonly Moment[] = ["suspended"];
const STARTED: readonly Moment[] = [...RUNNING, ...ASLEEP, ...STOPPED];

/** Chips of the RTL8125's generation that Linux 6.12 supports. */
const FORMER_8125: readonly ChipKey[] = [
  "rtl8125a",
  "rtl8168kb-609",
  "rtl8125b",
  "rtl8168kb",
  "rtl8125d-688",
  "rtl8126a-649",
  "rtl8126a-64a",
];

// prettier-ignore
// oxfmt-ignore
export const CAUSES: readonly Cause[] = [
  {
    name: "the system's share",
    because: "The kernel and the bus set these, not a driver: decoding, memory write and invalidate, cache line, error reports, INTx off, MSI-X on. Our test has neither a kernel nor a PCI bus.",
    rows: [{ space: "config", words: "0x4=0/511 0xc=0 0x68=0/6f 0x78=0/6f 0xae=0/8000 0xb2=0/8000 0x114=2000" }],
  },
  {
    name: "start at up",
    because: "At probe Linux resets the chip, takes the MAC over from the management firmware and powers the PHY down. Ours does this at `up`.",
    rows: [
      {
        space: "registers",
        words: "CPlusCmd=0 MCU=b2 RxConfig=0 PHYstatus=13 PHYstatus=b PHYstatus16=13 PHYstatus16=403 PHYstatus16=1003 PHYstatus16=4003 PMCH=0",
        at: ["probed"],
      },
      { space: "macOcp", words: "0xc01e=0 0xc0a6=0 0xc0aa=0 0xe8de=0", at: ["probed"] },
      { space: "phy", words: "0x0=0/800 0xa400=0/800", at: ["probed"] },
      { space: "eri", words: "0xf0=0 0xf4=0", at: ["probed"] },
    ],
  },
  {
    name: "power of a closed chip",
    because: "For a closed interface ours uses the power settings of Realtek's drivers. Linux's settings differ by generation (on the first chips the PHY stays on).",
    rows: [
      { space: "phy", words: "0xe=0" },
      { space: "phy", words: "0x0=800/800", at: STOPPED },
      { space: "registers", words: "PHYstatus=0", at: STOPPED },
    ],
  },
  {
    name: "PLL in D3hot",
    because: "Linux keeps the PLL on since 2025 (PMCH bit 6), and so does ours. Linux 6.12, with which most chips were recorded, does so only while wake-up is armed. On the RTL8411 Realtek's drivers keep it on too, while Linux does not write the register.",
    rows: [
      { space: "registers", words: "PMCH=40/40", at: ["up", "mtu", "back", ...STOPPED] },
      { space: "registers", words: "PMCH=c0", on: ["rtl8411"], at: ["suspended", "resumed"] },
    ],
  },
  {
    name: "wake-up by link",
    because: "From the RTL8125 on, Linux of 2026 writes MAC-OCP 0xe0c6 for wake-up by link, and so does ours. Linux 6.12, with which these chips were recorded, does not.",
    rows: [{ space: "macOcp", words: "0xe0c6=13", on: FORMER_8125, at: ["suspended", "resumed"] }],
  },
  {
    name: "receiver of the RTL8168B",
    because: "Realtek's driver leaves the receiver on while the chip sleeps, and so does ours.",
    rows: [{ space: "registers", words: "ChipCmd=8", on: ["rtl8168b"], at: ["suspended"] }],
  },
  {
    name: "speed bits beside autonegotiation",
    because: "BMCR's speed and duplex have no effect while autonegotiation is on (IEEE 802.3, 22.2.4.1). Linux leaves the values that a reset sets; ours writes 0.",
    rows: [{ space: "phy", words: "0x0=0/2140 0xa400=0/2140" }],
  },
  {
    name: "half duplex at 1000 Mbit/s",
    because: "Linux advertises this mode on chips before the 8168G. Ours does not, because no link partner supports it any more.",
    rows: [{ space: "phy", words: "0x9=0/100", at: STARTED }],
  },
  {
    name: "clause 45 through registers 13 and 14",
    because: "Linux's PHY layer looks for EEE through these registers, which then keep its last writes; these PHYs do not support clause 45. Ours does not look.",
    rows: [{ space: "phy", words: "0xd=0/4003 0xe=0/14 0xa41a=0 0xa41c=0" }],
  },
  {
    name: "pause after jumbo frames",
    because: "Neither driver advertises pause while the MTU is above 1500. Back at 1500 ours advertises it again; Linux does not.",
    rows: [
      { space: "phy", words: "0x4=c00/c00 0xa408=c00/c00", at: ["back", "suspended", "resumed", ...STOPPED] },
      { space: "registers", words: "PHYstatus=60/60 PHYstatus16=60/60", at: ["back", "suspended", "resumed"] },
    ],
  },
  {
    name: "bus errors are reported",
    because: "SYSErr (bit 15) is enabled in our interrupt mask. It means that the chip has stopped, and our driver restarts it. Linux waits for a time-out.",
    rows: [{ space: "registers", words: "IntrMask=8000/8000 IMR0=8000/8000", at: RUNNING }],
  },
  {
    name: "the receive limit is the buffer",
    because: "Our buffers have the size that the MTU needs, and RxMaxSize limits frames to it. Linux's are always 16 KiB.",
    rows: [
      { space: "registers", words: "RxMaxSize=800" },
      { space: "registers", words: "RxMaxSize=1000 RxMaxSize=1800 RxMaxSize=1c00 RxMaxSize=2400", at: ["mtu"] },
    ],
  },
  {
    name: "CPlusCmd bit 13",
    because: "Realtek's drivers set this bit (0x2060), Linux does not. The bit's meaning is not public.",
    rows: [{ space: "registers", words: "CPlusCmd=2000/2000", at: RUNNING }],
  },
  {
    name: "addresses of 64 bits",
    because: "In our test the memory is above 4 GiB, for which PCI chips need CPlusCmd bit 4. In Linux's guest it is below.",
    rows: [{ space: "registers", words: "CPlusCmd=10/10", at: RUNNING }],
  },
  {
    name: "VLAN tags of the 8110SC",
    because: "Ours enables tag stripping (CPlusCmd bit 6), as on all other chips. Linux leaves it off on this chip.",
    rows: [{ space: "registers", words: "CPlusCmd=40/40", on: ["rtl8169sc-180"], at: RUNNING }],
  },
  {
    name: "EEE of the RTL8168H",
    because: "Linux 6.12 turns energy-efficient Ethernet on; Linux 7 leaves it off on this die, and so does ours.",
    rows: [
      { space: "phy", words: "0xa432=0/10", on: [...RTL8168H, "rtl8116af"] },
      { space: "clause45", words: "0x7003c=0", on: RTL8168H },
      { space: "eri", words: "0x1b0=0/3", on: [...RTL8168H, "rtl8116af"] },
    ],
  },
  {
    name: "a fibre module",
    because: "Linux 6.12 treats the RTL8116af as an RTL8168H: it advertises the modes of a copper PHY and sets the timer of EEE. The PHY has neither.",
    rows: [
      { space: "phy", words: "0xa408=0/1e0", on: ["rtl8116af"] },
      { space: "macOcp", words: "0xe048=0", on: ["rtl8116af"] },
    ],
  },
  {
    name: "EEE of the RTL8168E",
    because: "This chip's MAC has no low-power idle, so our driver does not let the PHY advertise EEE. Linux keeps what the PHY advertises after power-on.",
    rows: [{ space: "clause45", words: "0x7003c=0", on: ["rtl8168e-2c0", "rtl8168e-2c1"] }],
  },
  {
    name: "EEE of the RTL8125A at 2500 Mbit/s",
    because: "Realtek's drivers do not offer EEE at that speed, and neither does Linux 7.3, because the MAC does not idle on such a link.",
    rows: [
      { space: "clause45", words: "0x7003e=0", on: ["rtl8125a"] },
      { space: "macOcp", words: "0xe040=0/3 0xeb62=0/6", on: ["rtl8125a"] },
    ],
  },
  {
    name: "EEE beyond the standard",
    because: "Realtek's FreeBSD driver clears these bits while EEE is on (re_enable_EEE). In all later PHYs 0xa432 bit 4 is set (DPDK, rtl_disable_eee).",
    rows: [
      { space: "phy", words: "0xa428=0/80 0xa4a2=0/200", on: ["rtl8117-54a", "rtl8117-54b", "rtl8125a", "rtl8168kb-609"] },
      { space: "phy", words: "0xa432=10", on: ["rtl8125d-688"] },
    ],
  },
  {
    name: "ASPM",
    because: "The bits select the events that make a link leave L1 while the interface is up. Linux sets them in MAC-OCP 0xc0ac from the 8168G on. Realtek's drivers set them in extended register 0xd4 up to the 8168FP.",
    rows: [
      { space: "macOcp", words: "0xc0ac=0", at: RUNNING },
      { space: "eri", words: "0xd4=1f80/1f80", at: RUNNING },
    ],
  },
  {
    name: "long counters",
    because: "Linux enables the long counter dump (MAC-OCP 0xea84) permanently; ours enables it only during a dump.",
    rows: [{ space: "macOcp", words: "0xea84=0" }],
  },
  {
    name: "management firmware",
    because: "Linux notifies the management firmware (DASH) when a driver starts and stops. Ours does not yet.",
    rows: [
      { space: "management", words: "0x10=0 0x14=0 0x30=0 0x180=0" },
      { space: "eri", words: "0xe8=0", on: ["rtl8168dp-28a", "rtl8168dp-28b"] },
    ],
  },
  {
    name: "MAC-OCP 0xd3e2 and 0xe860",
    because: "On the RTL8168EP, DPDK and Realtek's driver for FreeBSD write 0xafd, and Linux 0x271. On the RTL8125 and later only Linux writes these registers (0x3a9, bit 7), and ours does not. Their meaning is not public.",
    rows: AT_D3E2,
  },
  {
    name: "parameter 0x8011",
    because: "DPDK (`rtl8168h.c`, `rtl8168fp.c`), Realtek's driver for FreeBSD and, on the RTL8117, Linux set bit 11 of the PHY's parameter 0x8011. On the 8168H Linux writes 0x0811 instead, presumably by mistake; no other source does.",
    rows: [{ space: "phyMemory", words: "0x811=0 0x8011=8", on: ["rtl8168h", "rtl8107e", "rtl8116af", "rtl8168m"] }],
  },
  {
    name: "second copy of the address",
    because: "The 8168E has a copy of the address in SecMAC too. Realtek's drivers write it, and so does ours.",
    rows: [{ space: "registers", words: "SecMAC0=2 SecMAC4=100", on: ["rtl8168e-2c0", "rtl8168e-2c1"] }],
  },
  {
    name: "RTL8211 at 100 Mbit/s",
    because: "Linux's PHY layer writes register 0x17 of this PHY before negotiation, to support a forced 100 Mbit/s.",
    rows: [{ space: "phy", words: "0x17=0", on: ["rtl8169s", "rtl8110s"] }],
  },
  {
    name: "steppings that Linux does not distinguish",
    because: "Realtek has separate start-up values for the two later steppings of the 8168H (DPDK `rtl8168h.c`, methods 35 and 36); Linux uses those of the first one.",
    rows: SECOND_8168H,
  },
  {
    name: "package of the RTL8117",
    because: "Realtek's values depend on the package, which the driver reads from the chip. Linux writes the values of package 15 on all chips.",
    rows: [
      { space: "eri", words: "0x5f0=4000", on: ["rtl8117-54a", "rtl8117-54b"] },
      { space: "macOcp", words: "0xe052=0 0xea80=0", on: ["rtl8117-54a", "rtl8117-54b"] },
    ],
  },
  {
    name: "EPHY numbers above 31",
    because: "Realtek writes both lanes of the PCIe PHY, with register numbers of 6 and 7 bits. Linux writes numbers of 5 bits, to which these chips truncate a number above 31.",
    rows: BOTH_LANES,
  },
  {
    name: "Realtek's values",
    because: "Realtek's drivers (for DPDK and FreeBSD, cited in `src/chip/start`) and Linux's write different words; the bits' meaning is not public. Our values are Realtek's.",
    rows: REALTEKS,
  },
];
