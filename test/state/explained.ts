/**
 * Why our driver leaves other values than Linux's r8169, by name. A row has ours, in the notation of the recordings: `0xd420=45f`, or
 * `0x78=0/f` where only the bits after the slash differ. So a word of ours that changes is a difference that nothing explains.
 */
import type { ChipKey } from "#chip/chips.ts";
import type { Space } from "#model/observation/state.ts";
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

const RTL8168G: readonly ChipKey[] = ["rtl8168g"];
const RTL8168GU: readonly ChipKey[] = ["rtl8168gu", "rtl8106eus"];
const RTL8411B: readonly ChipKey[] = ["rtl8411b"];
const RTL8168H: readonly ChipKey[] = ["rtl8168h", "rtl8107e", "rtl8168m"];
const LATER_8168H: readonly ChipKey[] = ["rtl8168h-100", "rtl8168h-300"];
const RTL8168EP: readonly ChipKey[] = ["rtl8168ep"];
const RTL8117: readonly ChipKey[] = ["rtl8117-54a", "rtl8117-54b"];

// prettier-ignore
// oxfmt-ignore
export const CAUSES: readonly Cause[] = [
  {
    name: "the system's share",
    because: "The kernel and the bus set these up around a driver: I/O decoding, error reports, INTx off, MSI-X on. On the rig nothing does.",
    rows: [{ space: "config", words: "0x4=0/501 0x78=0/f 0xb2=0/8000" }],
  },
  {
    name: "start at up",
    because: "Linux resets the chip at probe, takes the MAC from the management firmware and powers the PHY down. Ours does so at `up`.",
    rows: [
      { space: "registers", words: "CPlusCmd=0 MCU=b2 PHYstatus=13 PHYstatus=b", at: ["probed"] },
      { space: "macOcp", words: "0xe8de=0", at: ["probed"] },
      { space: "phy", words: "0xa400=0/800", at: ["probed"] },
    ],
  },
  {
    name: "PCIe read request size",
    because: "Linux asks for 4096 bytes at a time. Ours leaves what the system chose.",
    rows: [{ space: "config", words: "0x78=2000/7000" }],
  },
  {
    name: "speed bits beside autonegotiation",
    because: "BMCR's speed and duplex mean nothing while autonegotiation is on (IEEE 802.3, 22.2.4.1). Linux leaves what the reset set, ours writes 0.",
    rows: [{ space: "phy", words: "0xa400=0/2140" }],
  },
  {
    name: "pause after jumbo frames",
    because: "Neither offers pause while the MTU is above 1500. Linux does not offer it afterwards either, ours does again.",
    rows: [
      { space: "phy", words: "0xa408=c00/c00", at: ["back", ...STOPPED] },
      { space: "registers", words: "PHYstatus=60/60", at: ["back"] },
    ],
  },
  {
    name: "bus errors are reported",
    because: "SYSErr (bit 15) is in our mask: the chip has stopped and is restarted. Linux waits for a time-out.",
    rows: [{ space: "registers", words: "IntrMask=8000/8000", at: RUNNING }],
  },
  {
    name: "the receive limit is the buffer",
    because: "Our buffers are as large as the MTU needs and RxMaxSize has their size. Linux's always take 16 KiB.",
    rows: [
      { space: "registers", words: "RxMaxSize=800" },
      { space: "registers", words: "RxMaxSize=2400", at: ["mtu"] },
    ],
  },
  {
    name: "CPlusCmd bit 13",
    because: "Realtek's drivers set it (0x2060), Linux does not. Its meaning is not public.",
    rows: [{ space: "registers", words: "CPlusCmd=2000/2000", at: RUNNING }],
  },
  {
    name: "EEE",
    because: "Our driver does not offer energy-efficient Ethernet yet: PHY, MAC and idle timer are left off.",
    rows: [
      { space: "phy", words: "0xa432=0/10" },
      { space: "phy", words: "0xa428=0/80 0xa4a2=0/200", on: RTL8117 },
      { space: "eri", words: "0x1b0=0/3" },
      { space: "macOcp", words: "0xe048=0", on: [...RTL8168H, ...LATER_8168H] },
    ],
  },
  {
    name: "ASPM: exit from L1",
    because: "Linux sets the events that leave L1 in MAC-OCP 0xc0ac while the interface is up, Realtek's drivers in extended register 0xd4 for good.",
    rows: [
      { space: "macOcp", words: "0xc0ac=0", at: RUNNING },
      { space: "eri", words: "0xd4=1f80/1f80" },
    ],
  },
  {
    name: "management firmware",
    because: "Linux tells the management firmware (DASH) that a driver comes and goes. Ours does not yet.",
    rows: [{ space: "management", words: "0x30=0 0x180=0", on: [...RTL8168EP, ...RTL8117] }],
  },
  {
    name: "parameter 0x8011",
    because: "Realtek's source sets bit 11 of the PHY's parameter 0x8011. Linux has the address without its first digit, 0x811.",
    rows: [{ space: "phyMemory", words: "0x811=0 0x8011=8", on: RTL8168H }],
  },
  {
    name: "steppings that Linux does not tell apart",
    because: "Realtek starts the two later steppings of the 8168H in their own way (DPDK `rtl8168h.c`, methods 35 and 36), Linux as the first one.",
    rows: [
      { space: "ephy", words: "0x1=0 0x4=0 0x5=0 0x6=0 0x1d=0 0x1e=0", on: LATER_8168H },
      { space: "macOcp", words: "0xd420=0 0xd438=7 0xdd02=0 0xe052=0", on: LATER_8168H },
      { space: "phy", words: "0xa42c=0", on: LATER_8168H },
      { space: "phyMemory", words: "0x811=0 0x808b=0", on: LATER_8168H },
      { space: "phy", words: "0xa80c=5", on: ["rtl8168h-100"] },
      {
        space: "phyMemory",
        words:
          "0x8015=70 0x8016=20 0x8103=b8 0x8105=a 0x8106=a2 0x8107=9 0x8108=13 0x8109=b0 0x8111=7c 0x8112=73 " +
          "0x8118=f8 0x8119=b4 0x811a=1a 0x811b=4 0x811c=80 0x811d=8 0x811e=de 0x811f=ca 0x812f=b5 0x8130=1a " +
          "0x8131=4 0x8132=a0 0x8133=8 0x8134=de 0x8135=ca 0x81b9=20 0x81cb=35 0x81d4=66 0x87ec=18 0x87ed=7 " +
          "0x87ee=33 0x87ef=8 0x87f0=dc 0x87f1=8 0x87f2=df 0x87f3=c 0x87f4=79 0x87f5=d 0x87f6=93 0x87fa=10 0x87fb=8",
        on: ["rtl8168h-100"],
      },
    ],
  },
  {
    name: "Realtek's values",
    because: "Realtek's own drivers (for DPDK and FreeBSD, cited in `src/chip/start`) and Linux's write different words, and what the bits do is not public. Ours are Realtek's.",
    rows: [
      { space: "eri", words: "0x1d0=2", on: ["rtl8168h", "rtl8107e", ...LATER_8168H, ...RTL8168G, ...RTL8168GU] },
      { space: "eri", words: "0x5f0=4f87", on: [...RTL8168G, ...RTL8168GU, ...RTL8411B] },
      { space: "eri", words: "0x5f0=0", on: [...RTL8168H, ...LATER_8168H] },
      { space: "eri", words: "0x1a8=fc000000", on: RTL8168G, at: STOPPED },
      { space: "macOcp", words: "0xc140=ffff", on: [...RTL8168GU, ...RTL8168H, ...LATER_8168H, ...RTL8168EP, ...RTL8117] },
      { space: "macOcp", words: "0xc142=ffff", on: [...RTL8168H, ...LATER_8168H, ...RTL8168EP, ...RTL8117] },
      { space: "macOcp", words: "0xd3c0=b00", on: RTL8168GU },
      { space: "macOcp", words: "0xd3c0=fff 0xd3c4=1", on: RTL8411B },
      { space: "macOcp", words: "0xd420=45f 0xe052=8000 0xe098=aa2", on: RTL8168H },
      { space: "macOcp", words: "0xe098=aa2", on: LATER_8168H },
      { space: "phy", words: "0xa430=1", on: RTL8168H },
      { space: "phy", words: "0xbc82=5655 0xbcd8=1065", on: [...RTL8168GU, ...RTL8411B] },
      { space: "phyMemory", words: "0x8088=92 0x8089=22 0x809a=80 0x809b=22 0x80a0=10", on: RTL8168G },
      { space: "ephy", words: "0x0=10ab 0xc=210 0xd=1666 0x19=fc00 0x1d=4000 0x1e=20eb", on: RTL8168EP },
      { space: "eri", words: "0x2f8=1d8f 0x2fc=3", on: RTL8168EP },
      { space: "macOcp", words: "0xd3e2=afd", on: RTL8168EP },
      { space: "phy", words: "0xbc84=0 0xbcd8=0", on: RTL8168EP },
      { space: "eri", words: "0xdc=d 0x2fc=1", on: RTL8117 },
      { space: "macOcp", words: "0xd420=45f 0xe098=c302", on: RTL8117 },
      { space: "registers", words: "DLLPR=c0 MISC=400000/400000", on: RTL8117 },
    ],
  },
  {
    name: "package of the RTL8117",
    because: "Realtek reads the package off the chip and chooses by it. Linux writes the values of package 15 on all.",
    rows: [
      { space: "eri", words: "0x5f0=4000", on: RTL8117 },
      { space: "macOcp", words: "0xe052=0 0xea80=0", on: RTL8117 },
    ],
  },
];
