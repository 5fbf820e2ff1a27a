/**
 * ASPM, the power saving of the PCI Express link: which chips may use it, and how the driver enables it.
 *
 * The bits that enable ASPM are in Config5 and Config2, and on the 8125CP, 8126 and 8127 in Config5 and INT_CFG0: DPDK
 * `drivers/net/r8169`, rtl_enable_aspm_clkreq_lock, and FreeBSD's vendor driver. The choice of chips follows Linux. No
 * source with a free licence has the words for L1.2 and for latency tolerance reports (LTR); they were derived from
 * what Linux writes (`test/derive/aspm.ts`).
 */
import type { Die } from "./profiles.ts";
import { IntCfg0, INT_CFG0 } from "./registers-8125.ts";
import { COMBO_LTR_EXTEND, Conf2, Conf5, Config2, Config5 } from "./registers.ts";
import type { Step, Word } from "./steps.ts";

/** The steps for ASPM. Configuration must be unlocked while they run. */
export interface Aspm {
  readonly on: readonly Step[];
  readonly off: readonly Step[];
  /**
   * True if the chip has MAC-OCP 0xc0b2 (`TESTED`), which shows whether the board vendor has validated L1 and its
   * substates.
   */
  readonly marked: boolean;
  /**
   * Steps that run when the NIC stops. They disable the events that make the link leave L1, which the start-up sequence
   * has enabled.
   */
  readonly stopped: readonly Step[];
}

/** Bits of MAC-OCP 0xc0b2. L1 is validated if any of them is set. */
export const TESTED = { address: 0xc0b2, bits: 0xf } as const;

const io8 = (...words: readonly Word[]): Step => ({ on: "io8", words });
const mac = (...words: readonly Word[]): Step => ({ on: "mac", words });

const ALLOWED: Word = [Config5, 0, Conf5.aspm];
const FORBIDDEN: Word = [Config5, Conf5.aspm, 0];
const BY_CONFIG2 = {
  on: io8(ALLOWED, [Config2, 0, Conf2.clockRequest]),
  off: io8([Config2, Conf2.clockRequest, 0], FORBIDDEN),
};
const BY_INT_CFG0 = {
  on: io8(ALLOWED, [INT_CFG0, 0, IntCfg0.clockRequest]),
  off: io8([INT_CFG0, IntCfg0.clockRequest, 0], FORBIDDEN),
};

/** Words that make the chip enter L1.2 by itself, without a delay, and a word that stops this. */
const SUBSTATES = mac([0xe094, 0xff00, 0], [0xe092, 0x00ff, 0x0004]);
const NO_SUBSTATES = mac([0xe092, 0x00ff, 0]);

/** The word in most entries of the latency table. */
const COMMON = 0x9003;
const from = (address: number, ...values: readonly number[]): readonly Word[] =>
  values.map((value, i) => [address + 2 * i, value]);
/**
 * Words that enable latency reports: for requests with and without snooping, while the PHY is powered down (ALDPS), and
 * when the link speed changes.
 */
const LATENCIES: Word = [0xe034, 0, 0xc000];
const IN_ALDPS: Word = [0xe0a2, 0, 0x0001];
const AT_SPEED_CHANGE: Word = [0xe032, 0, 0x4000];
/** Makes the chip send latency reports by itself. */
const REPORTS: Word = [0xe032, 0x0003, 0x0001];

/** The table of latencies. No source says which word is for which speed and state. */
const LATENCY_8168EP = mac(
  LATENCIES,
  ...from(0xcdd8, COMMON, COMMON, COMMON),
  ...from(0xcdd2, 0x883c, 0x8c12, COMMON),
  REPORTS,
);
const LATENCY_8168H = [mac(IN_ALDPS), io8([COMBO_LTR_EXTEND, 0, 1]), LATENCY_8168EP];
const latencyOf = (first: readonly number[], second: readonly number[]): Step => {
  const [a = COMMON, b = COMMON, c = COMMON] = first;
  const upper = second.flatMap((value) => [value, COMMON]);
  const lower: readonly Word[] = [
    [0xcdd2, a],
    [0xcdd8, COMMON],
    [0xcdd4, b],
    [0xcdda, COMMON],
    [0xcdd6, c],
    [0xcddc, COMMON],
  ];
  return mac([0xcdd0, COMMON], LATENCIES, IN_ALDPS, ...lower, ...from(0xcde8, ...upper), AT_SPEED_CHANGE, REPORTS);
};
const LATENCY_8125 = [latencyOf([0x889c, 0x8c30], [0x883e, 0x889c, 0x8c09])];
const LATENCY_8126 = [latencyOf([0x8c09], [0x887a, 0x8c09, 0x8a62, 0x883e])];
const LATENCY_8127 = [latencyOf([0x8c09], [0x887a, 0x8c09, 0x8a62, 0x883e, 0x8849])];

/**
 * After this step, no event makes the link leave L1. The register is an extended one from the 8168E-VL to the 8117, and
 * one of the MAC controller on later chips.
 */
const NO_EXITS_ERI: Step = { on: "eri", words: [[0xd4, 0x1f80, 0]] };
const NO_EXITS_MAC = mac([0xc0ac, 0x1f80, 0]);

const plain = (stopped: readonly Step[]): Aspm => ({
  on: [BY_CONFIG2.on],
  off: [BY_CONFIG2.off],
  marked: false,
  stopped,
});
const later = ({ on, off }: typeof BY_CONFIG2, latency: readonly Step[], stopped: Step): Aspm => ({
  on: [on, ...latency, SUBSTATES],
  off: [NO_SUBSTATES, off],
  marked: true,
  stopped: [stopped],
});

const ASPM_8168E = plain([]);
const ASPM_8168EVL = plain([NO_EXITS_ERI]);
const ASPM_8168H = later(BY_CONFIG2, LATENCY_8168H, NO_EXITS_ERI);
const ASPM_8125 = later(BY_CONFIG2, LATENCY_8125, NO_EXITS_MAC);

/**
 * By die. On a die that has no entry here, no driver enables ASPM; the chips of die `8168ep` are in `BY_CHIP`. For the
 * 8125CP, Linux uses Config2, and DPDK uses INT_CFG0, as here.
 */
const BY_DIE: Readonly<Partial<Record<Die, Aspm>>> = {
  "8168e": ASPM_8168E,
  "8106": ASPM_8168E,
  "8168evl": ASPM_8168EVL,
  "8402": ASPM_8168EVL,
  "8168f-480": ASPM_8168EVL,
  "8168f": ASPM_8168EVL,
  "8168g": ASPM_8168EVL,
  "8168h": ASPM_8168H,
  "8116af": ASPM_8168H,
  "8125a": ASPM_8125,
  "8125b": ASPM_8125,
  "8125bp": ASPM_8125,
  "8125cp": later(BY_INT_CFG0, LATENCY_8125, NO_EXITS_MAC),
  "8125d": ASPM_8125,
  "8126": later(BY_INT_CFG0, LATENCY_8126, NO_EXITS_MAC),
  "8127": later(BY_INT_CFG0, LATENCY_8127, NO_EXITS_MAC),
};

/**
 * The chips of die `8168ep`. The 8168EP and the 8117 report the same latencies, but the 8117 also sets `IN_ALDPS` and
 * COMBO_LTR_EXTEND. Neither chip enters L1.2 by itself.
 */
const BY_CHIP: Readonly<Record<string, Aspm>> = {
  rtl8168ep: { ...ASPM_8168EVL, on: [BY_CONFIG2.on, LATENCY_8168EP], marked: true },
  "rtl8117-54a": { ...ASPM_8168EVL, on: [BY_CONFIG2.on, ...LATENCY_8168H], marked: true },
  "rtl8117-54b": { ...ASPM_8168EVL, on: [BY_CONFIG2.on, ...LATENCY_8168H], marked: true },
};

export const aspmOf = (key: string, die: Die): Aspm | undefined => BY_CHIP[key] ?? BY_DIE[die];
