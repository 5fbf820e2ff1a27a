/**
 * The register maps of RTL8139C+, of the PCI chips and of RTL8125 and later: the expected values were typed in from the
 * sources of each map.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as ancestor from "./registers-8139cp.ts";
import * as pci from "./registers-8169.ts";
import * as multigigabit from "./registers-8125.ts";

/** Name, first offset, number of registers, and distance from one to the next. */
type Place = readonly [name: string, from: number, count?: number, step?: number];

// FreeBSD if_rlreg.h: RL_8139_CFG*, RL_MEDIASTAT, RL_MULTIINTR, RL_BMCR and so on, RL_TXSTART, RL_EARLY_TX_THRESH.
// prettier-ignore
// oxfmt-ignore
const ANCESTOR: readonly Place[] = [
  ["TimerInt8139", 0x54], ["MSR", 0x58], ["Config3_8139", 0x59], ["Config4_8139", 0x5a], ["Config5_8139", 0xd8],
  ["MULINT_8139", 0x5c], ["BMCR_8139", 0x62], ["BMSR_8139", 0x64], ["ANAR_8139", 0x66], ["ANLPAR_8139", 0x68],
  ["ANER_8139", 0x6a], ["TxPoll8139", 0xd9], ["EarlyTxThreshold", 0xec],
];

// RTL8169 register table; LDPS from FreeBSD if_rlreg.h.
// prettier-ignore
// oxfmt-ignore
const PCI: readonly Place[] = [
  ["ERBCR", 0x34], ["MULINT", 0x5c], ["TBICSR", 0x64], ["TBI_ANAR", 0x68], ["TBI_LPAR", 0x6a], ["PciTiming", 0x7c],
  ["LDPS", 0x82], ["WakeUpMask", 0x84, 16, 4], ["WakeUpCrc", 0xc4, 5, 2], ["FuncEvent", 0xf0], ["FuncEventMask", 0xf4],
  ["FuncPresetState", 0xf8], ["FuncForceEvent", 0xfc],
];

// DPDK r8169_compat.h, r8169_hw.c, r8169_fiber.h.
// prettier-ignore
// oxfmt-ignore
const MULTIGIGABIT: readonly Place[] = [
  ["LEDSEL0", 0x18], ["TCTR3", 0x1c], ["INT_CFG0", 0x34], ["IMR0", 0x38], ["ISR0", 0x3c], ["TCTR1", 0x4c],
  ["TIMER_INT1", 0x5c], ["PHYstatus16", 0x6c], ["INT_CFG1", 0x7a], ["LEDSEL2", 0x84], ["LEDSEL1", 0x86], ["TCTR2", 0x88],
  ["TIMER_INT2", 0x8c], ["TPPOLL", 0x90], ["LEDSEL3", 0x96], ["RxFormat", 0xd8], ["FifoStatus", 0xe2],
  ["TIMER_INT3", 0xf4], ["At0382", 0x382], ["RADMFIFO_PROTECT", 0x402], ["RADMFIFO_PROTECT_0", 0x402], ["IMR1", 0x800], ["ISR1", 0x802], ["IMR2", 0x804], ["ISR2", 0x806],
  ["IMR3", 0x808], ["ISR3", 0x80a], ["ISR1_0", 0x802],
  ["ISR2_0", 0x806], ["ISR3_0", 0x80a], ["INT_MITI", 0xa00, 64, 4], ["INT_MITI_RX", 0xa00, 32, 8], ["INT_MITI_TX", 0xa02, 32, 8], ["IMR_V2_CLEAR", 0xd00], ["ISR_V2", 0xd04],
  ["TDU_STA", 0xd08], ["RDU_STA", 0xd0a], ["IMR_V2_SET", 0xd0c], ["IMR_V4_L2_CLEAR", 0xd10], ["ISR_V4_L2", 0xd14],
  ["IMR_V4_L2_SET", 0xd18], ["SW_TAIL_PTR_V6", 0xd30, 8, 8], ["HW_CLO_PTR_V6", 0xd34, 8, 8],
  ["EPHYAR_EXT_ADDR", 0xffe], ["DOUBLE_VLAN_CONFIG", 0x1000], ["At1880", 0x1880], ["BACKUP_ADDR0", 0x19e0],
  ["BACKUP_ADDR1", 0x19e4], ["At2032", 0x2032], ["TX_NEW_CTRL", 0x203e], ["At20e4", 0x20e4], ["TNPDS_Q1", 0x2100, 14, 4], ["At233a", 0x233a],
  ["At233e", 0x233e], ["SDS_CMD", 0x2348], ["SDS_ADDR", 0x234a], ["SDS_DATA_IN", 0x234c], ["SDS_DATA_OUT", 0x234e],
  ["At2350", 0x2350], ["PLA_TXQ_IDLE_CREDIT", 0x2500, 2, 4], ["SW_TAIL_PTR", 0x2800, 2, 4], ["HW_CLO_PTR", 0x2802, 2, 4],
  ["TX_PTR_V4", 0x2800, 2, 4], ["RDSAR_Q", 0x4000, 30, 4], ["RSS_CTRL", 0x4500], ["RSS_CTRL_0", 0x4500], ["RSS_KEY", 0x4600, 10, 4],
  ["RSS_INDIRECTION_TBL", 0x4700, 32, 4], ["Q_NUM_CTRL", 0x4800], ["EEE_TXIDLE_TIMER", 0x6048], ["TxConfigV2", 0x60b0],
  // Realtek's r8125 for Linux, r8125.h.
  ["PTP_CTRL", 0x6800], ["PTP_ISR", 0x6804], ["PTP_IMR", 0x6805], ["PTP_TIME_CORRECT_CMD", 0x6806], ["PTP_TIME_NS", 0x6808],
  ["PTP_TIME_S", 0x680c], ["PTP_TIME_S_HIGH", 0x6810],
];

const offsetsOf = (map: object): Map<string, readonly number[]> =>
  new Map(
    Object.entries(map).flatMap(([name, value]: [string, unknown]) => {
      if (typeof value === "number") return [[name, [value]]];
      return Array.isArray(value) ? [[name, value as number[]]] : [];
    }),
  );

const byName = (a: readonly [string, ...unknown[]], b: readonly [string, ...unknown[]]): number =>
  a[0] < b[0] ? -1 : 1;

for (const [title, map, places] of [
  ["RTL8139C+", ancestor, ANCESTOR],
  ["the PCI chips", pci, PCI],
  ["RTL8125 and later", multigigabit, MULTIGIGABIT],
] as const)
  test(`every register of ${title} has the offset that its source gives`, () => {
    const expected = places.map(([name, from, count = 1, step = 0]): [string, number[]] => [
      name,
      Array.from({ length: count }, (_, i) => from + step * i),
    ]);
    assert.deepEqual([...offsetsOf(map)].toSorted(byName), expected.toSorted(byName));
  });

// DPDK r8169_compat.h, r8169_hw.c, r8169_fiber.c; the LEDs' bits as Linux's r8169 has them.
test("every field of RTL8125 and later has the bits that its source gives", () => {
  const { LedSelect, IntCfg0, PhyStatus16, Fifo, ReceiveFormat, RxConf8125, SerdesCommand, Serdes } = multigigabit;
  assert.deepEqual({ ...LedSelect }, { link10: 0x1, link100: 0x2, link1000: 0x8, link2500: 0x20, activity: 0x200 });
  assert.deepEqual(
    { ...IntCfg0 },
    {
      enable: 0x01,
      timeoutBypass: 0x02,
      mitigationBypass: 0x04,
      clockRequest: 0x08,
      unavailableBypass: 0x10,
      msixEntryMode: 0x20,
    },
  );
  assert.deepEqual(Object.values(PhyStatus16), [0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0200]);
  assert.deepEqual([Fifo.empty, ReceiveFormat.dropBadFcs, ReceiveFormat.format4], [0x0103, 1, 2]);
  assert.deepEqual(
    Object.values(RxConf8125).map((bits) => bits >>> 0),
    [0xf800_0000, 0x0100_0000, 0x0080_0000, 0x0040_0000, 0x0020_0000, 0x4000, 0x0800],
  );
  assert.deepEqual({ ...SerdesCommand }, { go: 1, write: 2 });
  assert.deepEqual({ ...Serdes }, { run: 1, mode1000: 0x8004, mode10000: 0x801a });
});
