/**
 * One record for each die: everything in which dies differ, apart from identity (`chips.ts`). The driver and the model
 * read these records instead of asking which chip is present.
 *
 * If a part has its own file, that file lists the part's sources. Sources of the rest: DPDK `drivers/net/r8169`
 * (registers, PCIe PHY, MAC controller, wake-up from RTL8168G on), FreeBSD if_re.c (memory, tally counters, wake-up of
 * earlier chips), Linux's r8169 (which chip signals PME by Config2).
 */
import { CABLE_8125A, CABLE_8125B, CABLE_8168H } from "./cable-test.ts";
import {
  EEE_8125A,
  EEE_8125B,
  EEE_8125D,
  EEE_8168EVL,
  EEE_8168G,
  EEE_8168H,
  GIGA_LITE_8168H,
  gigaLite8125,
} from "./eee.ts";
import {
  FRAMES_8101,
  FRAMES_8102,
  FRAMES_8125A,
  FRAMES_8125D,
  FRAMES_8168B,
  FRAMES_8168C,
  FRAMES_8168D,
  FRAMES_8168DP_28A,
  FRAMES_8168E,
  FRAMES_8168EVL,
  FRAMES_8168F,
  FRAMES_8168F_480,
  FRAMES_8168G,
  FRAMES_8168H,
  FRAMES_8401,
  FRAMES_8139CP,
  FRAMES_PCI,
} from "./frames.ts";
import {
  MAC_8101,
  MAC_8102,
  MAC_8105,
  MAC_8125A,
  MAC_8125B,
  MAC_8139CP,
  MAC_8168B,
  MAC_8168C,
  MAC_8168D,
  MAC_8168DP_28A,
  MAC_8168DP_28B,
  MAC_8168E,
  MAC_8168EVL,
  MAC_8168G,
  MAC_8169S,
  MAC_8402,
  MAC_PCI,
} from "./mac.ts";
import { BP, DP_28A, DP_28B, EP } from "./management.ts";
import {
  EXPRESS_8125A,
  EXPRESS_8125B,
  EXPRESS_8126,
  EXPRESS_8127,
  EXPRESS_8168B,
  EXPRESS_8168C,
  EXPRESS_8168D,
  EXPRESS_8168E,
  EXPRESS_8168G,
  EXPRESS_8168H,
  PCI,
} from "./pci-function.ts";
import {
  RTL8116AF,
  RTL8125A,
  RTL8125B,
  RTL8125D,
  RTL8126A,
  RTL8127A,
  RTL8168G,
  RTL8201,
  RTL8208,
  RTL8211,
  RTL8211B,
  RTL8211B_280,
  RTL8211B_281,
  RTL8211D,
  RTL8211E,
} from "./phy-kinds.ts";
import {
  QUEUES_8125A,
  QUEUES_8125B,
  QUEUES_8125BP,
  QUEUES_8125CP,
  QUEUES_8125D,
  QUEUES_8126,
  QUEUES_8127,
  QUEUES_8168H,
  QUEUES_SINGLE,
} from "./queues.ts";
import type { Profile } from "./profile.ts";
import {
  WAKE_8101,
  WAKE_8139CP,
  WAKE_8106,
  WAKE_8125,
  WAKE_8127,
  WAKE_8168B,
  WAKE_8168D,
  WAKE_8168DP,
  WAKE_8168E,
  WAKE_8168EVL,
  WAKE_8168F,
  WAKE_8168G,
  WAKE_PCI,
} from "./wake.ts";
import { RxConf, TxConf } from "./registers.ts";
import { RxConf8125 } from "./registers-8125.ts";

/**
 * Writable bits of RxConfig. Bits 15:13 are a FIFO threshold on the oldest chips and control descriptor fetching on
 * later ones; bits 24 and 16 enable early interrupts on the oldest chips.
 */
const RX = 0xe000 | RxConf.dmaBurst | RxConf.acceptMask;
const RX_PCI = RX | (1 << 24) | (1 << 16);
const RX_OCP = RX | RxConf.earlyOff;
const RX_8168H = RX_OCP | RxConf8125.descriptorsV3;
const RX_8125 =
  (RX |
    RxConf8125.fetch |
    RxConf8125.descriptorsV3 |
    RxConf8125.stripOuterTag |
    RxConf8125.stripInnerTag |
    RxConf8125.closeMultiple |
    RxConf8125.pauseSlot) >>>
  0;
const TX = TxConf.interFrameGap | TxConf.loopback | TxConf.noCrc | TxConf.dmaBurst;
const TX_EVL = TX | TxConf.autoFifo;
const TX_8125 = TX_EVL | TxConf.countsClosed;

// prettier-ignore
// oxfmt-ignore
export const PROFILES = {
  "8139cp": {
    function: PCI, mac: MAC_8139CP, frames: FRAMES_8139CP, queues: QUEUES_SINGLE, timers: 1,
    registers: ["pci", "mdio"],
    rxConfig: RX_PCI, txConfig: TX, phy: RTL8201, phyAccess: "registers", macOcp: "none", pciePhy: "none",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_8139CP, leds: "patterns",
  },
  "8169s": {
    function: PCI, mac: MAC_8169S, frames: FRAMES_PCI, queues: QUEUES_SINGLE, timers: 1,
    registers: ["pci", "mdio"],
    rxConfig: RX_PCI, txConfig: TX, phy: RTL8211, phyAccess: "mdio", macOcp: "none", pciePhy: "none",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_PCI, leds: "patterns",
  },
  "8169": {
    function: PCI, mac: MAC_PCI, frames: FRAMES_PCI, queues: QUEUES_SINGLE, timers: 1,
    registers: ["pci", "mdio"],
    rxConfig: RX_PCI, txConfig: TX, phy: RTL8211B, phyAccess: "mdio", macOcp: "none", pciePhy: "none",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_PCI, leds: "patterns",
  },
  "8168b": {
    function: EXPRESS_8168B, mac: MAC_8168B, frames: FRAMES_8168B, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_8168B, leds: "nibbles",
  },
  "8101": {
    function: EXPRESS_8168B, mac: MAC_8101, frames: FRAMES_8101, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues"],
    rxConfig: RX, txConfig: TX, phy: RTL8201, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_8101, leds: "nibbles",
  },
  "8401": {
    function: EXPRESS_8168B, mac: MAC_8168B, frames: FRAMES_8401, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues"],
    rxConfig: RX, txConfig: TX, phy: RTL8201, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_8101, leds: "nibbles",
  },
  "8102": {
    function: EXPRESS_8168C, mac: MAC_8102, frames: FRAMES_8102, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues"],
    rxConfig: RX, txConfig: TX, phy: RTL8201, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_8101, leds: "nibbles",
  },
  "8168c": {
    function: EXPRESS_8168C, mac: MAC_8168C, frames: FRAMES_8168C, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8101, leds: "nibbles",
  },
  "8168cp-3c8": {
    function: EXPRESS_8168C, mac: MAC_8168C, frames: FRAMES_8168C, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "eeprom", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: false }, wake: WAKE_8101, leds: "nibbles",
  },
  "8168d-280": {
    function: EXPRESS_8168D, mac: MAC_8168D, frames: FRAMES_8168D, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B_280, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168D, leds: "nibbles",
  },
  "8168d-281": {
    function: EXPRESS_8168D, mac: MAC_8168D, frames: FRAMES_8168D, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B_281, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168D, leds: "nibbles",
  },
  "8168dp-28a": {
    function: EXPRESS_8168D, mac: MAC_8168DP_28A, frames: FRAMES_8168DP_28A, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "gate", "formerQueues", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B, phyAccess: "mdio-gated", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: DP_28A,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168DP, leds: "nibbles",
  },
  "8168dp-28b": {
    function: EXPRESS_8168D, mac: MAC_8168DP_28B, frames: FRAMES_8168E, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "gate", "formerQueues", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8211B, phyAccess: "mdio-gated", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: DP_28B,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168DP, leds: "nibbles",
  },
  "8168e": {
    function: EXPRESS_8168E, mac: MAC_8168E, frames: FRAMES_8168E, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "secondAddress", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8211D, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168E, leds: "nibbles",
  },
  "8105": {
    function: EXPRESS_8168E, mac: MAC_8105, frames: FRAMES_8102, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8208, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168D, leds: "nibbles",
  },
  "8106": {
    function: EXPRESS_8168E, mac: MAC_8105, frames: FRAMES_8102, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "efuse"],
    rxConfig: RX, txConfig: TX, phy: RTL8208, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: [], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8106, leds: "nibbles",
  },
  "8168evl": {
    function: EXPRESS_8168E, mac: MAC_8168EVL, frames: FRAMES_8168EVL, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "scratch", "efuse"],
    rxConfig: RX, txConfig: TX_EVL, phy: RTL8211E, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168EVL, leds: "nibbles", eee: EEE_8168EVL,
  },
  "8402": {
    function: EXPRESS_8168E, mac: MAC_8402, frames: FRAMES_8102, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "scratch", "efuse"],
    rxConfig: RX, txConfig: TX_EVL, phy: RTL8208, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168EVL, leds: "nibbles",
  },
  "8168f-480": {
    function: EXPRESS_8168E, mac: MAC_8168EVL, frames: FRAMES_8168F_480, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "scratch", "efuse"],
    rxConfig: RX, txConfig: TX_EVL, phy: RTL8211E, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168F, leds: "nibbles", eee: EEE_8168EVL,
  },
  "8168f": {
    function: EXPRESS_8168E, mac: MAC_8168EVL, frames: FRAMES_8168F, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "scratch", "efuse"],
    rxConfig: RX, txConfig: TX_EVL, phy: RTL8211E, phyAccess: "mdio", macOcp: "none", pciePhy: "flat64",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168F, leds: "nibbles", eee: EEE_8168EVL,
  },
  "8168g": {
    function: EXPRESS_8168G, mac: MAC_8168G, frames: FRAMES_8168G, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "ocp", "efuse"],
    rxConfig: RX_OCP, txConfig: TX_EVL, phy: RTL8168G, phySwitch: 1 << 9, phyAccess: "ocp", macOcp: "plain", pciePhy: "flat64",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168G, leds: "nibbles", eee: EEE_8168G,
  },
  "8168h": {
    function: EXPRESS_8168H, mac: MAC_8168G, frames: FRAMES_8168H, queues: QUEUES_8168H, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "steering", "ocp", "latency", "efuse"],
    rxConfig: RX_8168H, txConfig: TX_EVL, phy: RTL8168G, phySwitch: 1 << 9, phyAccess: "ocp", macOcp: "plain", pciePhy: "banked",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168G, leds: "nibbles", eee: EEE_8168H, gigaLite: GIGA_LITE_8168H, cableTest: CABLE_8168H,
  },
  // The fibre version of the same die: PHYstatus reports the link, but the PHY does not (Linux r8169, RTL8116af).
  "8116af": {
    function: EXPRESS_8168H, mac: MAC_8168G, frames: FRAMES_8168H, queues: QUEUES_8168H, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "steering", "ocp", "latency", "efuse"],
    rxConfig: RX_8168H, txConfig: TX_EVL, phy: RTL8116AF, phySwitch: 1 << 9, phyAccess: "ocp", macOcp: "plain", pciePhy: "banked",
    memory: "efuse", addressCopies: ["eri"], management: undefined,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168G, leds: "nibbles",
  },
  "8168ep": {
    function: EXPRESS_8168H, mac: MAC_8168G, frames: FRAMES_8168G, queues: QUEUES_SINGLE, timers: 1,
    registers: ["express", "mdio", "linkPower", "formerQueues", "ocp", "latency", "efuse", "mailbox"],
    rxConfig: RX_OCP, txConfig: TX_EVL, phy: RTL8168G, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "plain", pciePhy: "flat64",
    memory: "efuse", addressCopies: ["eri"], management: EP,
    tally: { bytes: 64, clearable: true }, wake: WAKE_8168G, leds: "nibbles", eee: EEE_8168G, gigaLite: GIGA_LITE_8168H,
  },
  "8125a": {
    function: EXPRESS_8125A, mac: MAC_8125A, frames: FRAMES_8125A, queues: QUEUES_8125A, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "multigigabit", "pairedPointers"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8125A, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "flat128",
    memory: "efuse", addressCopies: ["eri","backup"], management: undefined,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8125, leds: "words", eee: EEE_8125A, gigaLite: gigaLite8125(1), cableTest: CABLE_8125A,
  },
  "8125b": {
    function: EXPRESS_8125B, mac: MAC_8125B, frames: FRAMES_8125A, queues: QUEUES_8125B, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "multigigabit", "vectored", "pairedPointers", "macClock"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8125B, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "flat128",
    memory: "efuse", addressCopies: ["eri","backup"], management: undefined,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8125, leds: "words", eee: EEE_8125B, gigaLite: gigaLite8125(1), cableTest: CABLE_8125B, ptp: "mac",
  },
  "8125bp": {
    function: EXPRESS_8125B, mac: MAC_8125B, frames: FRAMES_8125D, queues: QUEUES_8125BP, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "mailbox", "multigigabit", "vectored", "separatePointers"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8125D, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "flat128",
    memory: "efuse", addressCopies: ["eri","backup"], management: BP,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8125, leds: "words", eee: EEE_8125D, gigaLite: gigaLite8125(1),
  },
  "8125cp": {
    function: EXPRESS_8125B, mac: MAC_8125B, frames: FRAMES_8125D, queues: QUEUES_8125CP, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "multigigabit", "vectored", "separatePointers"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8125D, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "flat128",
    memory: "efuse", addressCopies: ["eri","backup"], management: undefined,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8125, leds: "words", eee: EEE_8125D, gigaLite: gigaLite8125(1), ptp: "phy",
  },
  "8125d": {
    function: EXPRESS_8125B, mac: MAC_8125B, frames: FRAMES_8125D, queues: QUEUES_8125D, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "multigigabit", "vectored", "separatePointers"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8125D, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "flat128",
    memory: "efuse", addressCopies: ["eri","backup"], management: undefined,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8125, leds: "words", eee: EEE_8125D, gigaLite: gigaLite8125(1), ptp: "phy",
  },
  "8126": {
    function: EXPRESS_8126, mac: MAC_8125B, frames: FRAMES_8125D, queues: QUEUES_8126, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "multigigabit", "vectored", "singlePointers"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8126A, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "flat128",
    memory: "efuse", addressCopies: ["eri","backup"], management: undefined,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8125, leds: "words", eee: EEE_8125B, gigaLite: gigaLite8125(3), ptp: "phy",
  },
  "8127": {
    function: EXPRESS_8127, mac: MAC_8125B, frames: FRAMES_8125D, queues: QUEUES_8127, timers: 4,
    registers: ["express", "linkPower", "ocp", "latency", "efuse", "multigigabit", "vectored", "separatePointers", "fifoProtection", "serdes"],
    rxConfig: RX_8125, txConfig: TX_8125, phy: RTL8127A, phySwitch: 1 << 13, phyAccess: "ocp", macOcp: "paged", pciePhy: "paged",
    memory: "efuse", addressCopies: ["eri","backup"], management: undefined,
    tally: { bytes: 192, clearable: true }, wake: WAKE_8127, leds: "words", eee: EEE_8125B, gigaLite: gigaLite8125(7), ptp: "phy",
  },
} as const satisfies Record<string, Profile>;

export type Die = keyof typeof PROFILES;
