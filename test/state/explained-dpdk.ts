/**
 * Named reasons for values that differ from DPDK's net_r8169, in the form of `explained.ts`. `*` stands for all
 * addresses of a space, whatever our values are.
 */
import type { ChipKey } from "#chip/chips.ts";
import type { Cause } from "./explained.ts";

const LATER_8125D: readonly ChipKey[] = ["rtl8125d-689", "rtl8168kd"];
const RTL8125D: readonly ChipKey[] = ["rtl8125d-688", ...LATER_8125D];

// prettier-ignore
// oxfmt-ignore
export const CAUSES_DPDK: readonly Cause[] = [
  {
    name: "the system's share",
    because: "The kernel and the bus set these, not a driver: decoding, error reports, INTx. Our test has neither a kernel nor a PCI bus.",
    rows: [{ space: "config", words: "0x4=0/501 0x6=0/8 0x78=0/6f" }],
  },
  {
    name: "other microcode",
    because: "DPDK contains firmware for the controllers of PHY and MAC, in other versions than the files that ours and Linux load.",
    rows: [
      { space: "phyMemory", words: "*" },
      { space: "macProgram", words: "*" },
      { space: "macOcp", words: "0xe446=0" },
      { space: "macOcp", words: "0xfc26=8000 0xfc2c=14a4 0xfc48=4", on: ["rtl8126a-64a"] },
      { space: "macOcp", words: "0xfc2e=e24 0xfc40=0 0xfc42=0 0xfc48=7a", on: ["rtl8125a"] },
      { space: "macOcp", words: "0xfc2e=3fc2 0xfc30=4058 0xfc48=1f", on: ["rtl8125bp"] },
      { space: "phy", words: "0xb844=0", on: ["rtl8125b"] },
    ],
  },
  {
    name: "older values",
    because: "Our values are from a later DPDK, cited in `src/chip/start`. The recorded DPDK has fewer or other words, or none for the chip.",
    rows: [
      { space: "config", words: "0x10a=10 0x78=5000/7000" },
      { space: "macOcp", words: "0xc0aa=6be 0xc0aa=107c 0xc0a6=3d6 0xc0a6=3e4" },
      { space: "macOcp", words: "0xe0c0=4403", on: RTL8125D },
      { space: "macOcp", words: "0xe63e=20", on: ["rtl8125bp", ...RTL8125D] },
      { space: "phy", words: "0xac7e=b4", on: RTL8125D },
      { space: "phy", words: "0xa430=1001 0xa442=88c 0xbc80=5 0xbc82=fc5c", on: LATER_8125D },
      { space: "phy", words: "0xa466=2", on: ["rtl8125d-688"] },
      { space: "phy", words: "0xb648=4040", on: ["rtl8126a-64a"] },
      { space: "registers", words: "MISC=400000 TDFNR=0 TxConfig=0/40" },
      { space: "registers", words: "DLLPR=0", on: ["rtl8125bp"] },
    ],
  },
  {
    name: "descriptors of 32 bytes",
    because: "DPDK uses the long transmit descriptors and matching receive settings. Ours uses the short ones, like Linux.",
    rows: [
      { space: "macOcp", words: "0xeb58=0" },
      { space: "registers", words: "RxConfig=40c0070e RxConfig=40c00f0e" },
    ],
  },
  {
    name: "polling",
    because: "DPDK enables only the link interrupt, receives all destinations, and enables offloads in CPlusCmd only on request.",
    rows: [{ space: "registers", words: "IMR0=802f MAR0=0 MAR4=80 CPlusCmd=2020" }],
  },
  {
    name: "the receive limit is the buffer",
    because: "Ours writes the size of its buffers; DPDK writes the longest frame at this MTU.",
    rows: [{ space: "registers", words: "RxMaxSize=800" }],
  },
  {
    name: "half duplex at 1000 Mbit/s",
    because: "DPDK advertises this mode. Ours does not, because no link partner supports it any more.",
    rows: [{ space: "phy", words: "0xa412=200" }],
  },
  {
    name: "speeds of the RTL8168KD",
    because: "DPDK treats this chip as the RTL8125D, which supports 2500 Mbit/s.",
    rows: [{ space: "clause45", words: "0x70020=0", on: ["rtl8168kd"] }],
  },
  {
    name: "EEE",
    because: "DPDK turns energy-efficient Ethernet off in PHY and MAC. Ours leaves it on, like Linux.",
    rows: [
      { space: "clause45", words: "0x7003c=6 0x7003e=1 0x7003e=3" },
      { space: "macOcp", words: "0xe040=3/3" },
      { space: "phy", words: "0xa432=0", on: ["rtl8125b"] },
      { space: "phy", words: "0xa432=10", on: ["rtl8125a"] },
      { space: "registers", words: "EEE_TXIDLE_TIMER=60a" },
    ],
  },
  {
    name: "PLL in D3cold",
    because: "DPDK always keeps the PLL on there (PMCH); ours keeps it on while wake-up is armed.",
    rows: [{ space: "registers", words: "PMCH=0/80" }],
  },
  {
    name: "management firmware",
    because: "DPDK notifies the management firmware (DASH) when a driver starts and stops. Ours does not yet.",
    rows: [{ space: "management", words: "0x10=0 0x14=0", on: ["rtl8125bp"] }],
  },
];
